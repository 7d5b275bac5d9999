//! One suite for every back end.

use protocol::ids::{Incarnation, LocalKey};
use protocol::record::{Body, Record};

use super::memory::MemoryStore;
use super::rows::rfc3339;
use super::sqlite::SqliteStore;
use super::*;
use crate::centre::chain::{Chain, Newest, Run};
use crate::dispatch::{Act, Arrival, Command, Effect, Input, MainsLoss, MainsRules, Operator};
use crate::testing::Journal;

/// A home in which something of everything has happened, with the orders it opened.
fn lived_in() -> (Dispatch, Vec<WorkOrder>, Vec<VisitRow>) {
    let mut journal = Journal::new("home-1");
    let mut home = Dispatch::new(journal.gateway.clone());
    let mut orders = Vec::new();
    let mut visits = Vec::new();
    let mut does = |home: &mut Dispatch, input| {
        for effect in home.handle(1_000, input) {
            match effect {
                Effect::Order(order) => orders.push(*order),
                Effect::Visit(visit) => visits.push(*visit),
                Effect::Timeline(_) | Effect::Publish(_) | Effect::Refused(_) => {}
            }
        }
    };
    let mains = MainsRules::default();
    let arrives =
        |record: Record| Input::Record(Arrival { record: record.into(), age_ms: Some(500_000), settled: false, mains });
    let asks = |order: &WorkOrderId, act| {
        let by = Operator { name: "wang".into(), supervisor: false };
        Input::Command(Command { order: order.clone(), by, ver: None, act })
    };
    does(&mut home, arrives(journal.press()));
    let id = home.orders.keys().next().unwrap().clone();
    does(&mut home, asks(&id, Act::Claim));
    does(&mut home, arrives(journal.visit(protocol::visit::VisitAct::CheckIn, protocol::visit::Grade::Proven)));
    let close = Act::Close { code: Some("real.fall".into()), outcome: Some("police".into()), note: None };
    does(&mut home, asks(&id, close));
    does(&mut home, arrives(journal.press()));
    let burning = journal.pre_alarm(30_000);
    does(&mut home, arrives(burning));
    let cancelled = journal.pre_alarm(30_000);
    let key = cancelled.key();
    does(&mut home, arrives(cancelled));
    does(&mut home, arrives(journal.cancel(key)));
    let smoke =
        crate::testing::trigger(protocol::trigger::TriggerKind::Smoke, protocol::trigger::Reason::SensorAlarm, None);
    does(&mut home, arrives(journal.seal(Body::Trigger(smoke))));
    (home, orders, visits)
}

fn item(time_ms: i64) -> NewFeedItem {
    let data = serde_json::json!({ "n": time_ms });
    NewFeedItem { kind: "test".into(), subject: "home-1".into(), time_ms, test: true, data }
}

fn line(order: &WorkOrder, what: &str) -> TimelineRow {
    TimelineRow {
        order: order.id.clone(),
        at_ms: 5,
        occurred_at_ms: Some(4),
        source: "operator".into(),
        by: Some("wang".into()),
        what: what.into(),
        detail: serde_json::json!({ "text": "好" }),
    }
}

fn conforms(store: &mut impl Store) {
    let mut journal = Journal::new("home-1");
    let (first, second) = (journal.press(), journal.press());
    let gateway = journal.gateway.clone();
    let keep = |record| NewRecord { gateway: &gateway, record, received_at_ms: 1, verified: true, raw: None };

    // A record's identity is kept once and never replaced.
    store.begin().unwrap();
    assert_eq!(store.put_record(keep(&first)).unwrap(), Kept::New);
    assert_eq!(store.put_record(keep(&first)).unwrap(), Kept::Duplicate);
    let mut other = first.clone();
    other.hash = Hash32([9; 32]);
    assert_eq!(store.put_record(keep(&other)).unwrap(), Kept::Conflict { stored: first.hash });
    store.commit().unwrap();
    let elsewhere = "home-2".parse().unwrap();
    let same_key = NewRecord { gateway: &elsewhere, ..keep(&first) };

    // An undone savepoint leaves what came before it and nothing of its own, places included.
    store.begin().unwrap();
    store.savepoint().unwrap();
    assert_eq!(store.put_record(same_key).unwrap(), Kept::New);
    assert_eq!(store.append_feed(item(1)).unwrap().feedseq, 1);
    store.release().unwrap();
    store.savepoint().unwrap();
    assert_eq!(store.put_record(keep(&second)).unwrap(), Kept::New);
    assert_eq!(store.append_feed(item(2)).unwrap().feedseq, 2);
    store.undo().unwrap();
    store.savepoint().unwrap();
    assert_eq!(store.append_feed(item(3)).unwrap().feedseq, 2);
    store.release().unwrap();
    store.commit().unwrap();
    assert_eq!(store.record_count().unwrap(), 2);

    // A rolled-back transaction leaves nothing.
    let (home, orders, visits) = lived_in();
    store.begin().unwrap();
    store.put_home(&home).unwrap();
    let chain = Chain {
        runs: vec![Run { incarnation: Incarnation(u64::MAX), first: 2, last: 9, lost_to: Some(Incarnation(3)) }],
        newest: Some(Newest { incarnation: Incarnation(u64::MAX), seq: 9, hash: Hash32([3; 32]) }),
    };
    store.put_chain(&gateway, &chain).unwrap();
    store.put_order(&orders[0]).unwrap();
    store.append_timeline(&line(&orders[0], "opened")).unwrap();
    store.append_feed(item(4)).unwrap();
    store.put_visit(&gateway, &visits[0]).unwrap();
    store.rollback();
    assert_eq!(store.home(&gateway).unwrap(), None);
    assert_eq!(store.chain(&gateway).unwrap(), None);
    assert_eq!(store.order(&orders[0].id).unwrap(), None);
    assert_eq!(store.timeline(&orders[0].id).unwrap(), []);
    assert_eq!(store.visits(&gateway).unwrap(), []);
    assert_eq!(store.next_due().unwrap(), None);
    assert_eq!(store.feed_bounds().unwrap(), FeedBounds { first: 1, last: 2 });

    // What is written reads back the same.
    store.begin().unwrap();
    store.put_home(&home).unwrap();
    store.put_chain(&gateway, &Chain::default()).unwrap();
    store.put_chain(&gateway, &chain).unwrap();
    for order in &orders {
        store.put_order(order).unwrap();
    }
    for what in ["opened", "note"] {
        store.append_timeline(&line(&orders[0], what)).unwrap();
    }
    store.put_visit(&gateway, &visits[0]).unwrap();
    store.commit().unwrap();
    assert_eq!(store.home(&gateway).unwrap(), Some(home.clone()));
    assert_eq!(store.chain(&gateway).unwrap(), Some(chain));
    let last = orders.iter().rfind(|order| order.id == orders[0].id).unwrap();
    assert_eq!(store.order(&orders[0].id).unwrap().as_ref(), Some(last));
    assert!(last.closing.is_some(), "the scenario closes its first order");
    assert_eq!(store.timeline(&orders[0].id).unwrap(), [line(&orders[0], "opened"), line(&orders[0], "note")]);
    assert_eq!(store.visits(&gateway).unwrap(), visits);
    let kinds =
        |items: Vec<FeedItem>| items.into_iter().map(|item| (item.feedseq, item.item.time_ms)).collect::<Vec<_>>();
    assert_eq!(kinds(store.feed_after(0, 10).unwrap()), [(1, 1), (2, 3)]);
    assert_eq!(kinds(store.feed_after(1, 10).unwrap()), [(2, 3)]);
    assert_eq!(kinds(store.feed_after(0, 1).unwrap()), [(1, 1)]);
    let ids: Vec<_> = store.feed_after(0, 10).unwrap().into_iter().map(|item| item.id).collect();
    assert!(ids[0] != ids[1] && ids.iter().all(|id| id.starts_with("evt_")), "{ids:?}");

    // Orders come in the order in which they are to be handled.
    let listed = |store: &mut dyn Reads, states: &[OrderState], limit| {
        let filter = OrderFilter { states: states.to_vec(), gateway: None, limit };
        store.orders(&filter).unwrap().into_iter().map(|order| (order.priority, order.state)).collect::<Vec<_>>()
    };
    let all = [(0, OrderState::Open), (1, OrderState::Open), (1, OrderState::Closed)];
    assert_eq!(listed(store, &[], 10), all);
    assert_eq!(listed(store, &[], 2), all[..2]);
    assert_eq!(listed(store, &[OrderState::Closed], 10), all[2..]);
    assert_eq!(listed(store, &[OrderState::Open, OrderState::Claimed], 10), all[..2]);
    let elsewhere = OrderFilter { gateway: Some("home-2".parse().unwrap()), limit: 10, ..OrderFilter::default() };
    assert_eq!(store.orders(&elsewhere).unwrap(), []);

    // Deadlines are found, and gone once the home has none.
    let due = home.next_deadline().unwrap().0;
    assert_eq!(store.next_due().unwrap(), Some(due));
    assert_eq!(store.due_homes(due - 1, 10).unwrap(), []);
    assert_eq!(store.due_homes(due, 10).unwrap(), std::slice::from_ref(&gateway));
    let mut calm = home.clone();
    calm.lifecycles.clear();
    store.begin().unwrap();
    store.put_home(&calm).unwrap();
    store.commit().unwrap();
    assert_eq!((store.next_due().unwrap(), store.due_homes(i64::MAX, 10).unwrap()), (None, vec![]));

    // Answers are kept by sign-in and key.
    let saved =
        SavedAnswer { by: "wang".into(), key: "k".into(), asked: Hash32([1; 32]), at_ms: 9, order: orders[0].clone() };
    store.begin().unwrap();
    store.put_saved(&saved).unwrap();
    store.commit().unwrap();
    assert_eq!(store.saved("wang", "k").unwrap(), Some(saved));
    assert_eq!(store.saved("li", "k").unwrap(), None);

    // What is too old goes, and its places are never given again.
    store.begin().unwrap();
    store.prune(FEED_KEPT_MS + 3).unwrap();
    store.commit().unwrap();
    assert_eq!(store.feed_bounds().unwrap(), FeedBounds { first: 2, last: 2 });
    store.begin().unwrap();
    store.prune(FEED_KEPT_MS + 4).unwrap();
    store.probe(1).unwrap();
    store.commit().unwrap();
    assert_eq!(store.feed_bounds().unwrap(), FeedBounds { first: 3, last: 2 });
    assert_eq!(store.saved("wang", "k").unwrap(), None);
    store.begin().unwrap();
    assert_eq!(store.append_feed(item(FEED_KEPT_MS)).unwrap().feedseq, 3);
    store.commit().unwrap();
}

#[test]
fn memory_conforms() {
    conforms(&mut MemoryStore::new());
}

#[test]
fn sqlite_conforms() {
    let dir = tempfile::tempdir().unwrap();
    conforms(&mut SqliteStore::open(&dir.path().join("centre.db"), Hash32([5; 32])).unwrap());
}

#[test]
fn sqlite_keeps_its_identity_and_content_and_a_reader_sees_only_what_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("centre.db");
    let mut store = SqliteStore::open(&path, Hash32([5; 32])).unwrap();
    let mut reader = SqliteStore::open_reader(&path).unwrap();
    store.begin().unwrap();
    let id = store.append_feed(item(1)).unwrap().id;
    assert_eq!(reader.feed_after(0, 10).unwrap(), []);
    store.commit().unwrap();
    assert_eq!(reader.feed_after(0, 10).unwrap()[0].id, id);
    drop((store, reader));
    let mut store = SqliteStore::open(&path, Hash32([6; 32])).unwrap();
    assert_eq!(store.feed_after(0, 10).unwrap()[0].id, id);
}

#[test]
fn sqlite_refuses_a_newer_schema() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("centre.db");
    drop(SqliteStore::open(&path, Hash32::ZERO).unwrap());
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 999).unwrap();
    assert!(matches!(SqliteStore::open(&path, Hash32::ZERO), Err(StoreError::Newer { found: 999, .. })));
}

#[test]
fn a_record_of_the_largest_identity_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(&dir.path().join("centre.db"), Hash32::ZERO).unwrap();
    let mut journal = Journal::new("home-1");
    let mut visit = journal.visit(protocol::visit::VisitAct::CheckOut, protocol::visit::Grade::Claimed);
    visit.incarnation.0 = u64::MAX;
    let Body::Visit(content) = visit.body.clone() else { panic!("a visit") };
    let key = LocalKey { incarnation: visit.incarnation, seq: visit.seq };
    let row = VisitRow { key, received_at_ms: 1, occurred_at_ms: 1, visit: content, work_order: None };
    store.begin().unwrap();
    store.put_visit(&journal.gateway, &row).unwrap();
    store.commit().unwrap();
    assert_eq!(store.visits(&journal.gateway).unwrap(), [row]);
}

#[test]
fn times_are_told_in_utc_with_milliseconds() {
    assert_eq!(rfc3339(1_795_359_845_123), "2026-11-22T15:04:05.123Z");
    assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
    assert_eq!(rfc3339(i64::MAX), "9223372036854775807ms");
}

#[test]
fn a_mains_loss_of_an_older_centre_keeps_the_times_that_it_had_then() {
    let (mut home, ..) = lived_in();
    home.mains = Some(MainsLoss {
        record: LocalKey { incarnation: Incarnation(1), seq: 1 },
        device: "ups".into(),
        since_ms: 5,
        rules: MainsRules { held_ms: 300_000, long_ms: 3 * 3_600_000 },
        order: None,
        long: false,
    });
    let newer = snapshot::write_home(&home).unwrap();
    assert_eq!(snapshot::read_home(&newer).unwrap(), home);
    let mut older: serde_json::Value = serde_json::from_str(&newer).unwrap();
    older["v"] = 3.into();
    let loss = older["mains"].as_object_mut().unwrap();
    assert_eq!((loss.remove("held_ms"), loss.remove("long_ms")), (Some(300_000.into()), Some(10_800_000.into())));
    let mut expected = home;
    expected.mains.as_mut().unwrap().rules = MainsRules::default();
    assert_eq!(snapshot::read_home(&older.to_string()).unwrap(), expected);
}
