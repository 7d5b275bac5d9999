//! The core over a store in memory, with faults at every write.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test names only what it looks at")]

use expect_test::expect;
use protocol::ids::Incarnation;
use protocol::record::{Body, Record};
use protocol::stage::Stage;
use protocol::uplink::HASH_CONFLICT;
use protocol::visit::{Grade, VisitAct};

use super::ingest::{HASH_MISMATCH, age_ms};
use super::*;
use crate::store::memory::MemoryStore;
use crate::store::{OrderFilter, Reads};
use crate::testing::Journal;

fn centre() -> Centre<MemoryStore> {
    Centre::open(MemoryStore::new()).unwrap()
}

fn ask(centre: &mut Centre<MemoryStore>, now_ms: i64, request: Request) -> Answer {
    let mut handled = centre.handle_batch(now_ms, vec![request]);
    handled.answers.pop().unwrap()
}

fn send(centre: &mut Centre<MemoryStore>, now_ms: i64, journal: &Journal, records: Vec<Record>) -> UplinkDone {
    match ask(centre, now_ms, Request::Uplink(journal.batch(records).into())) {
        Answer::Uplink(done) => done,
        other => panic!("{other:?}"),
    }
}

fn command(order: &WorkOrderId, name: &str, act: Act) -> CommandRequest {
    let by = Operator { name: name.into(), supervisor: false };
    CommandRequest { order: order.clone(), by, ver: None, act, idempotency: None }
}

fn orders(centre: &mut Centre<MemoryStore>) -> Vec<WorkOrder> {
    centre.store().orders(&OrderFilter { limit: 100, ..OrderFilter::default() }).unwrap()
}

fn feed(centre: &mut Centre<MemoryStore>) -> Vec<String> {
    let items = centre.store().feed_after(0, 1_000).unwrap();
    items.into_iter().map(|item| format!("{} {}", item.feedseq, item.item.kind)).collect()
}

#[test]
fn a_record_sent_twice_is_stored_once_and_gets_its_receipt_twice() {
    let (mut centre, mut journal) = (centre(), Journal::new("home-1"));
    let press = journal.press();
    let first = send(&mut centre, 0, &journal, vec![press.clone()]);
    let second = send(&mut centre, 1, &journal, vec![press.clone(), press]);
    assert_eq!((first.stored, first.opened, second.stored, second.duplicates), (1, 1, 0, 2));
    assert_eq!(second.receipts, [first.receipts[0], first.receipts[0]]);
    assert_eq!(feed(&mut centre), ["1 workorder.opened"]);
}

#[test]
fn the_same_key_with_another_hash_is_refused_and_changes_nothing() {
    let (mut centre, mut journal) = (centre(), Journal::new("home-1"));
    let press = journal.press();
    let mut twin = Journal::new("home-1");
    twin.wait(1);
    let other = twin.press();
    assert_eq!(press.key(), other.key());
    let _receipt = send(&mut centre, 0, &journal, vec![press]);
    let next = journal.press();
    let done = send(&mut centre, 1, &journal, vec![other.clone(), next]);
    assert_eq!(done.refused, [Refusal { key: other.key(), reason: HASH_CONFLICT.into() }]);
    assert_eq!((done.conflicts, done.stored), (vec![other.key()], 1));
    assert_eq!(orders(&mut centre)[0].presses, 2);
}

#[test]
fn a_press_with_a_wrong_hash_is_raised_and_a_routine_record_with_one_is_refused() {
    let (mut centre, mut journal) = (centre(), Journal::new("home-1"));
    let mut press = journal.press();
    press.hash = Hash32([1; 32]);
    let mut stopped = journal.seal(Body::Stopped);
    stopped.hash = Hash32([2; 32]);
    let done = send(&mut centre, 0, &journal, vec![press.clone(), stopped.clone()]);
    assert_eq!(done.mismatches, [press.key(), stopped.key()]);
    assert_eq!(done.receipts, [Receipt { key: press.key(), hash: press.hash }]);
    assert_eq!(done.refused, [Refusal { key: stopped.key(), reason: HASH_MISMATCH.into() }]);
    assert_eq!(feed(&mut centre), ["1 workorder.opened"]);
}

#[test]
fn the_centre_opens_the_order_when_the_gateway_falls_silent_in_a_pre_alarm() {
    let (mut centre, mut journal) = (centre(), Journal::new("home-1"));
    let pre_alarm = journal.pre_alarm(30_000);
    let key = pre_alarm.key();
    journal.wait(5);
    let _receipt = send(&mut centre, 100_000, &journal, vec![pre_alarm]);
    assert_eq!(centre.next_deadline(), Some(125_000));
    assert_eq!(ask(&mut centre, 124_999, Request::Deadlines), Answer::Deadlines { homes: 0, opened: 0, unread: 0 });
    assert_eq!(ask(&mut centre, 125_000, Request::Deadlines), Answer::Deadlines { homes: 1, opened: 1, unread: 0 });
    assert_eq!(centre.next_deadline(), None);
    let done = send(&mut centre, 200_000, &journal, vec![journal_fall(&mut Journal::new("home-1"), key)]);
    assert_eq!((done.stored, done.opened), (1, 0));
    let opened = orders(&mut centre);
    assert_eq!((opened.len(), opened[0].presses, opened[0].opened_by), (1, 1, key));
}

fn journal_fall(journal: &mut Journal, of: LocalKey) -> Record {
    let _first = journal.press();
    journal.fall_after(of)
}

#[test]
fn a_cancel_in_the_same_batch_comes_before_the_fuse_ends() {
    let (mut centre, mut journal) = (centre(), Journal::new("home-1"));
    let pre_alarm = journal.pre_alarm(30_000);
    let cancel = journal.cancel(pre_alarm.key());
    let _receipt = send(&mut centre, 0, &journal, vec![pre_alarm]);
    let uplink = Request::Uplink(journal.batch(vec![cancel]).into());
    let handled = centre.handle_batch(30_000, vec![uplink, Request::Deadlines]);
    assert_eq!(handled.answers[1], Answer::Deadlines { homes: 0, opened: 0, unread: 0 });
    assert_eq!(feed(&mut centre), ["1 prealarm.cancelled"]);
    assert_eq!(orders(&mut centre), []);
}

#[test]
fn a_home_that_does_not_read_back_does_not_keep_others_from_being_raised() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("centre.db");
    let mut centre = Centre::open(crate::store::sqlite::SqliteStore::open(&path, Hash32::ZERO).unwrap()).unwrap();
    for gateway in ["home-1", "home-2"] {
        let mut journal = Journal::new(gateway);
        let pre_alarm = journal.pre_alarm(30_000);
        let handled = centre.handle_batch(0, vec![Request::Uplink(journal.batch(vec![pre_alarm]).into())]);
        assert!(matches!(&handled.answers[0], Answer::Uplink(done) if done.stored == 1));
    }
    let spoil = "UPDATE homes SET snapshot = '{}' WHERE gateway = 'home-1'";
    assert_eq!(rusqlite::Connection::open(&path).unwrap().execute(spoil, []).unwrap(), 1);
    let handled = centre.handle_batch(30_000, vec![Request::Deadlines]);
    assert_eq!(handled.answers, [Answer::Deadlines { homes: 1, opened: 1, unread: 1 }]);
    assert_eq!(handled.published.len(), 1);
}

#[test]
fn of_two_claims_in_one_batch_one_wins_and_the_other_learns_who() {
    let (mut centre, mut journal) = (centre(), Journal::new("home-1"));
    let press = journal.press();
    let _receipt = send(&mut centre, 0, &journal, vec![press]);
    let id = orders(&mut centre)[0].id.clone();
    let claims = ["wang", "li"].map(|name| Request::Command(command(&id, name, Act::Claim)));
    let handled = centre.handle_batch(1, claims.to_vec());
    assert!(matches!(&handled.answers[0], Answer::Done { order } if order.owner.as_deref() == Some("wang")));
    let refused = Refused::AlreadyClaimed { owner: "wang".into() };
    assert_eq!(handled.answers[1], Answer::Refused { refused });
    assert_eq!(handled.published.len(), 1);
}

#[test]
fn an_idempotency_key_gives_the_same_answer_again_and_none_for_another_question() {
    let (mut centre, mut journal) = (centre(), Journal::new("home-1"));
    let press = journal.press();
    let _receipt = send(&mut centre, 0, &journal, vec![press]);
    let id = orders(&mut centre)[0].id.clone();
    let note = |text: &str, key: &str, asked| CommandRequest {
        idempotency: Some((key.into(), Hash32([asked; 32]))),
        ..command(&id, "wang", Act::Note { text: text.into() })
    };
    let first = ask(&mut centre, 1, Request::Command(note("seen", "k1", 1)));
    let again = ask(&mut centre, 2, Request::Command(note("seen", "k1", 1)));
    assert_eq!(first, again);
    assert_eq!(ask(&mut centre, 3, Request::Command(note("other", "k1", 2))), Answer::KeyReused);
    assert_eq!(centre.store().timeline(&id).unwrap().len(), 2, "opened and one note");
    assert_eq!(
        ask(&mut centre, 4, Request::Command(command(&WorkOrderId::opened_at_centre(1), "wang", Act::Claim))),
        Answer::NoSuchOrder
    );
}

#[test]
fn a_home_is_told_each_stage_with_a_rising_version() {
    let (mut centre, mut journal) = (centre(), Journal::new("home-1"));
    let gateway = journal.gateway.clone();
    let mut told = Vec::new();
    let mut note = |centre: &mut Centre<MemoryStore>| {
        let Progress { ver, orders } = centre.progress(&gateway).unwrap();
        told.push((ver, orders.first().map(|order| order.stage)));
    };
    note(&mut centre);
    let press = journal.press();
    let _receipt = send(&mut centre, 0, &journal, vec![press]);
    note(&mut centre);
    let id = orders(&mut centre)[0].id.clone();
    let dispatch = Act::Dispatch { responder: "cg-17".into() };
    for act in [Act::Claim, dispatch] {
        let _done = ask(&mut centre, 1, Request::Command(command(&id, "wang", act)));
        note(&mut centre);
    }
    for act in [VisitAct::CheckIn, VisitAct::CheckOut] {
        let visit = journal.visit(act, Grade::Proven);
        let _receipt = send(&mut centre, 2, &journal, vec![visit]);
        note(&mut centre);
    }
    let close = Act::Close { code: Some("real.fall".into()), outcome: Some("responder_visited".into()), note: None };
    let _done = ask(&mut centre, 3, Request::Command(command(&id, "wang", close)));
    note(&mut centre);
    let stages = [
        None,
        Some(Stage::Received),
        Some(Stage::Taken),
        Some(Stage::Coming),
        Some(Stage::Here),
        Some(Stage::Taken),
        None,
    ];
    assert_eq!(told, (0..).zip(stages).collect::<Vec<_>>());
}

/// Everything that happens to one home in a short while, one request at a time.
fn story() -> Vec<(i64, Vec<Record>)> {
    let mut journal = Journal::new("home-1");
    let first = journal.pre_alarm(30_000);
    let cancel = journal.cancel(first.key());
    let second = journal.pre_alarm(30_000);
    let fall = journal.fall_after(second.key());
    let press = journal.press();
    let check_in = journal.visit(VisitAct::CheckIn, Grade::Proven);
    vec![
        (0, vec![first, journal.seal(Body::Stopped)]),
        (10_000, vec![cancel]),
        (20_000, vec![second]),
        (60_000, vec![fall, press]),
        (70_000, vec![check_in]),
    ]
}

fn told(centre: &mut Centre<MemoryStore>) -> String {
    let mut lines = feed(centre);
    for order in orders(centre) {
        lines.push(format!("{:?} presses {} v{}", order.state, order.presses, order.ver));
        lines.extend(centre.store().timeline(&order.id).unwrap().into_iter().map(|row| format!("  {}", row.what)));
    }
    lines.push(format!("{} records", centre.store().record_count().unwrap()));
    lines.join("\n")
}

#[test]
fn a_fault_at_any_write_loses_and_repeats_nothing_once_the_request_is_sent_again() {
    let journal = Journal::new("home-1");
    let mut whole = centre();
    for (now_ms, records) in story() {
        let _ran = ask(&mut whole, now_ms, Request::Deadlines);
        let _receipts = send(&mut whole, now_ms, &journal, records);
    }
    expect![[r#"
        1 prealarm.cancelled
        2 workorder.opened
        3 workorder.updated
        4 workorder.on_scene
        5 care_visit.checked_in
        OnScene presses 2 v3
          opened
          confirmed_by_gateway
          joined
          on_scene_by_visit
        7 records"#]]
    .assert_eq(&told(&mut whole));
    let mut faults = 0;
    for writes in 0.. {
        let mut centre = centre();
        centre.store().fail_after(Some(writes));
        let mut faulted = false;
        for (now_ms, records) in story() {
            for request in [Request::Deadlines, Request::Uplink(journal.batch(records).into())] {
                let handled = centre.handle_batch(now_ms, vec![request.clone()]);
                if matches!(handled.answers[0], Answer::Unavailable { .. }) {
                    assert!(handled.published.is_empty() && handled.homes.is_empty());
                    faulted = true;
                    faults += 1;
                    // Killed and started again: the caller has no answer and sends once more.
                    let mut store = centre.into_store();
                    store.crash();
                    centre = Centre::open(store).unwrap();
                    let again = ask(&mut centre, now_ms, request);
                    assert!(!matches!(again, Answer::Unavailable { .. }), "{again:?}");
                }
            }
        }
        assert_eq!(told(&mut centre), told(&mut whole), "a fault after {writes} writes");
        if !faulted {
            break;
        }
    }
    assert!(faults > 20, "{faults} faults were tried");
}

#[test]
fn age_is_exact_within_a_boot_told_by_trusted_clocks_across_boots_and_else_unknown() {
    let stamp =
        |boot, uptime_ms, wall_ms, wall_trusted| protocol::record::Stamp { boot, uptime_ms, wall_ms, wall_trusted };
    assert_eq!(age_ms(&stamp(1, 9_000, 0, false), &stamp(1, 2_000, 99, true)), Some(7_000));
    assert_eq!(age_ms(&stamp(1, 2_000, 0, false), &stamp(1, 9_000, 0, false)), Some(0));
    assert_eq!(age_ms(&stamp(2, 5, 9_000, true), &stamp(1, 7_000, 1_000, true)), Some(8_000));
    assert_eq!(age_ms(&stamp(2, 5, 1_000, true), &stamp(1, 7_000, 9_000, true)), Some(0));
    assert_eq!(age_ms(&stamp(2, 5, 9_000, true), &stamp(1, 7_000, 1_000, false)), None);
}

#[test]
fn records_of_two_runs_of_one_gateway_do_not_meet() {
    let (mut centre, mut journal) = (centre(), Journal::new("home-1"));
    let press = journal.press();
    let mut other = protocol::record::ChainHead { incarnation: Incarnation(8), next_seq: 1, hash: Hash32::ZERO };
    let second = other.seal(press.at, None, press.body.clone()).unwrap();
    let done = send(&mut centre, 0, &journal, vec![press, second]);
    assert_eq!((done.stored, orders(&mut centre)[0].presses), (2, 2));
}
