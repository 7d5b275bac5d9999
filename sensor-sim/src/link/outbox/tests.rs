use super::*;

fn entry(topic: &str, bytes: usize, urgent: bool) -> Entry {
    let mut publication = Publication::bytes(topic, vec![b'x'; bytes]);
    publication.urgent = urgent;
    Entry { publication, done: None, tries: 0 }
}

fn submitted(outbox: &mut Outbox) -> Vec<String> {
    let mut topics = Vec::new();
    while let Some(publication) = outbox.submit() {
        topics.push(publication.topic.clone());
    }
    topics
}

#[test]
fn what_is_unconfirmed_goes_out_again_in_its_order() {
    let mut outbox = Outbox::new(Away::Keep);
    for topic in ["a", "b", "c", "d"] {
        outbox.offer(entry(topic, 1, false), true).unwrap();
    }
    submitted(&mut outbox);
    for packet_id in [1, 2, 3] {
        assert!(outbox.wrote(packet_id).is_none());
    }
    assert_eq!(outbox.confirmed(2).unwrap().publication.topic, "b");
    assert!(outbox.confirmed(2).is_none());
    outbox.offer(entry("e", 1, false), true).unwrap();
    assert!(outbox.disconnected().is_empty());
    assert_eq!(submitted(&mut outbox), ["a", "c", "d", "e"]);
}

#[test]
fn while_the_broker_is_away_routine_is_dropped_and_a_press_kept() {
    let mut outbox = Outbox::new(Away::DropRoutine);
    assert!(outbox.offer(entry("motion", 1, false), false).is_err());
    outbox.offer(entry("sos", 1, true), false).unwrap();
    assert_eq!(submitted(&mut outbox), ["sos"]);
}

#[test]
fn a_bulky_message_that_never_gets_through_is_given_up_and_a_small_one_never() {
    let mut outbox = Outbox::new(Away::Keep);
    outbox.offer(entry("bulky", BULKY_BYTES + 1, false), true).unwrap();
    outbox.offer(entry("sos", 1, true), true).unwrap();
    for tried in 1..=BULKY_TRIES {
        submitted(&mut outbox);
        let given_up = outbox.disconnected();
        assert_eq!(given_up.len(), usize::from(tried == BULKY_TRIES));
    }
    assert_eq!(submitted(&mut outbox), ["sos"]);
}

#[test]
fn the_limit_holds_and_says_so() {
    let mut outbox = Outbox::new(Away::DropRoutine);
    for _ in 0..HELD_MAX {
        outbox.offer(entry("sos", 1, true), false).unwrap();
    }
    assert_eq!(outbox.offer(entry("sos", 1, true), false).unwrap_err().1, "too many messages wait for the broker");
    assert!(!Outbox { away: Away::Keep, ..outbox }.has_room());
}

#[test]
fn qos_0_is_done_once_written() {
    let mut outbox = Outbox::new(Away::Keep);
    let mut entry = entry("a", 1, false);
    entry.publication.qos = Qos::AtMostOnce;
    outbox.offer(entry, true).unwrap();
    submitted(&mut outbox);
    assert!(outbox.wrote(0).is_some());
    assert_eq!(outbox.len(), 0);
}
