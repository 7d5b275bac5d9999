use protocol::ids::{Hash32, Incarnation};
use protocol::observation::{Kind, Reading};
use protocol::record::{Body, ChainHead, Observed, Stamp, Trigger};
use protocol::trigger::{Reason, TriggerKind};
use protocol::uplink::Receipt;

use super::*;

/// A journal's chain that makes records for an outbox to carry.
struct Maker(ChainHead);

impl Maker {
    fn new() -> Self {
        Self(ChainHead { incarnation: Incarnation(1), next_seq: 1, hash: Hash32::ZERO })
    }

    fn seal(&mut self, body: Body) -> Arc<Record> {
        let at = Stamp { boot: 1, uptime_ms: 0, wall_ms: 0, wall_trusted: true };
        Arc::new(self.0.seal(at, None, body).unwrap())
    }

    fn press(&mut self) -> Arc<Record> {
        self.seal(Body::Trigger(Trigger {
            kind: TriggerKind::Sos,
            device: "sos".into(),
            key: "action".into(),
            room: None,
            reason: Reason::ButtonPressed,
            follows: None,
            test: false,
        }))
    }

    fn motion(&mut self) -> Arc<Record> {
        let (kind, device, key) = (Kind::Motion, "hall".into(), "occupancy".into());
        self.seal(Body::Observed(Observed { kind, device, key, room: None, value: Reading::Active }))
    }
}

fn outbox(paths: usize) -> Outbox {
    Outbox::new(OutboxTimes::default(), paths, &Delivered::default(), 0)
}

fn answer(records: &[Arc<Record>]) -> UplinkAnswer {
    let receipts = records.iter().map(|record| Receipt { key: record.key(), hash: record.hash }).collect();
    UplinkAnswer { v: 1, ver: 1, receipts, refused: Vec::new() }
}

/// The one request that is due, as (request, path, sequences).
fn one_send(outbox: &mut Outbox, now_ms: u64) -> (u64, usize, Vec<Arc<Record>>) {
    let posts = outbox.posts(now_ms);
    let [Post::Send { request, path, records }] = &posts[..] else { panic!("expected one request, got {posts:?}") };
    (*request, *path, records.clone())
}

fn seqs(records: &[Arc<Record>]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}

#[test]
fn a_press_overtakes_a_hundred_thousand_waiting_motions() {
    let (mut outbox, mut maker) = (outbox(1), Maker::new());
    for _ in 0..100_000 {
        outbox.offer(maker.motion());
    }
    let (_, _, first) = one_send(&mut outbox, 0);
    assert_eq!(first.len(), UPLINK_RECORDS_MAX);
    let press = maker.press();
    outbox.offer(press.clone());
    let (_, _, urgent) = one_send(&mut outbox, 1);
    assert_eq!(urgent, [press]);
    assert!(outbox.routine.len() <= LANE_RECORDS_MAX, "memory is bounded, the rest waits in the journal");
    assert_eq!(outbox.backlog(), 100_001);
}

#[test]
fn every_emergency_request_carries_what_came_before_so_a_cancel_never_leads_its_trigger() {
    let (mut outbox, mut maker) = (outbox(1), Maker::new());
    outbox.offer(maker.press());
    one_send(&mut outbox, 0);
    outbox.offer(maker.press());
    let (_, _, second) = one_send(&mut outbox, 1);
    assert_eq!(seqs(&second), [1, 2]);
}

#[test]
fn a_silent_first_path_is_hedged_on_the_second_after_two_seconds() {
    let (mut outbox, mut maker) = (outbox(2), Maker::new());
    outbox.offer(maker.press());
    let (first, path, _) = one_send(&mut outbox, 0);
    assert_eq!((path, outbox.next_deadline_ms()), (0, Some(2_000)));
    assert_eq!(outbox.posts(1_999), []);
    let (_, path, records) = one_send(&mut outbox, 2_000);
    assert_eq!(path, 1);
    assert_eq!(outbox.answered(0, first, &answer(&records), &mut Jitter::new(3)), [1]);
    assert_eq!(outbox.urgent_backlog(), 0);
}

#[test]
fn retry_never_ends_and_a_new_press_never_waits_for_an_old_back_off() {
    let (mut outbox, mut maker, mut jitter) = (outbox(1), Maker::new(), Jitter::new(7));
    outbox.offer(maker.press());
    let mut now_ms = 0;
    for _ in 0..1_000 {
        let (request, _, _) = one_send(&mut outbox, now_ms);
        outbox.failed(now_ms, request, false, &mut jitter);
        let due = outbox.next_deadline_ms().unwrap();
        assert!(due <= now_ms + 5_000);
        now_ms = due.max(now_ms);
    }
    let (request, _, _) = one_send(&mut outbox, now_ms);
    outbox.failed(now_ms, request, false, &mut jitter);
    outbox.offer(maker.press());
    let (_, _, records) = one_send(&mut outbox, now_ms);
    assert_eq!(seqs(&records), [1, 2]);
}

#[test]
fn a_receipt_for_another_hash_settles_nothing() {
    let (mut outbox, mut maker) = (outbox(1), Maker::new());
    outbox.offer(maker.press());
    let (request, _, mut records) = one_send(&mut outbox, 0);
    Arc::make_mut(&mut records[0]).hash = Hash32([9; 32]);
    assert!(outbox.answered(0, request, &answer(&records), &mut Jitter::new(3)).is_empty());
    assert_eq!(outbox.urgent_backlog(), 1);
}

#[test]
fn low_water_stays_below_what_waits_and_rises_over_receipts_and_local_records() {
    let (mut outbox, mut maker) = (outbox(1), Maker::new());
    outbox.offer(maker.motion());
    outbox.offer(maker.press());
    outbox.offer(maker.seal(Body::Delivered(Delivered::default())));
    let posts = outbox.posts(0);
    let [Post::Send { request, records, .. }, Post::Send { .. }] = &posts[..] else { panic!("{posts:?}") };
    assert_eq!(outbox.answered(0, *request, &answer(records), &mut Jitter::new(3)), [2]);
    assert_eq!(outbox.delivered(), Delivered { low_water: 0, above: vec![2, 3] });
    let Post::Send { request, records, .. } = &posts[1] else { panic!("{posts:?}") };
    outbox.answered(0, *request, &answer(records), &mut Jitter::new(3));
    assert_eq!(outbox.delivered(), Delivered { low_water: 3, above: Vec::new() });
}

#[test]
fn after_a_restart_what_was_not_received_is_read_back_and_emergencies_go_first() {
    let mut maker = Maker::new();
    let mut records: Vec<_> = (0..1_500).map(|_| maker.motion()).collect();
    records.push(maker.press());
    let delivered = Delivered { low_water: 10, above: vec![12] };
    let mut outbox = Outbox::new(OutboxTimes::default(), 1, &delivered, 1_501);
    assert_eq!(outbox.low_water(), 10);
    assert_eq!(outbox.posts(0), [Post::Load { from_seq: 11, limit: LOAD_RECORDS_MAX }]);
    outbox.loaded(records[10..1_010].to_vec(), 1_010);
    let posts = outbox.posts(0);
    assert!(matches!(&posts[..], [Post::Send { .. }, Post::Load { from_seq: 1_011, .. }]), "{posts:?}");
    outbox.loaded(records[1_010..].to_vec(), 1_501);
    let (_, _, urgent) = one_send(&mut outbox, 0);
    assert_eq!(seqs(&urgent), [1_501]);
    assert_eq!(outbox.backlog(), 1_501 - 10 - 1);
}

#[test]
fn a_batch_too_large_for_the_centre_is_halved() {
    let (mut outbox, mut maker, mut jitter) = (outbox(1), Maker::new(), Jitter::new(1));
    for _ in 0..100 {
        outbox.offer(maker.motion());
    }
    outbox.routine_batch = 100;
    let (request, _, _) = one_send(&mut outbox, 0);
    outbox.failed(0, request, true, &mut jitter);
    let (_, _, records) = one_send(&mut outbox, 10_000);
    assert_eq!(records.len(), 50);
}

#[test]
fn after_a_restart_a_press_behind_ten_thousand_motions_is_found_before_they_are_sent() {
    let mut maker = Maker::new();
    let mut records: Vec<_> = (0..10_000).map(|_| maker.motion()).collect();
    records.push(maker.press());
    let last = records.len() as u64;
    let mut outbox = Outbox::new(OutboxTimes::default(), 1, &Delivered::default(), last);
    let mut sent = Vec::new();
    for _ in 0..100 {
        for post in outbox.posts(0) {
            match post {
                Post::Send { records, .. } => sent.push(seqs(&records)),
                Post::Load { from_seq, limit } => {
                    let from = from_seq as usize - 1;
                    let chunk = records[from..records.len().min(from + limit)].to_vec();
                    let through = chunk.last().map_or(last, |record| record.seq);
                    outbox.loaded(chunk, through);
                }
            }
        }
    }
    assert_eq!(sent, [(1..=500).collect(), vec![last]]);
    assert!(outbox.routine.len() <= LANE_RECORDS_MAX);
    assert_eq!((outbox.low_water(), outbox.backlog()), (0, last));
}

#[test]
fn everything_waiting_is_delivered_in_the_end_whatever_the_lanes_hold() {
    let mut maker = Maker::new();
    let mut records: Vec<_> = (0..7_000).map(|i| if i % 100 == 0 { maker.press() } else { maker.motion() }).collect();
    let mut outbox = Outbox::new(OutboxTimes::default(), 1, &Delivered::default(), 7_000);
    for round in 0..1_000_u64 {
        if round < 50 {
            let record = maker.motion();
            records.push(record.clone());
            outbox.offer(record);
        }
        for post in outbox.posts(round) {
            match post {
                Post::Send { request, records, .. } => {
                    outbox.answered(0, request, &answer(&records), &mut Jitter::new(3));
                }
                Post::Load { from_seq, limit } => {
                    let from = from_seq as usize - 1;
                    let chunk = records[from..records.len().min(from + limit)].to_vec();
                    let through = chunk.last().map_or(from_seq, |record| record.seq);
                    outbox.loaded(chunk, through);
                }
            }
        }
    }
    assert_eq!((outbox.backlog(), outbox.low_water()), (0, records.len() as u64));
}
