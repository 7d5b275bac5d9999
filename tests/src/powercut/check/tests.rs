use protocol::ids::{Hash32, Incarnation};
use protocol::record::{Body, ChainHead, Delivery, SegmentFate, SegmentRetired, Stamp, Trigger};
use protocol::trigger::{Reason, TriggerKind};

use super::*;

const AT: Stamp = Stamp { boot: 1, uptime_ms: 1, wall_ms: 0, wall_trusted: false };

struct Chain(ChainHead);

impl Chain {
    fn new() -> Self {
        Self(ChainHead { incarnation: Incarnation(1), next_seq: 1, hash: Hash32::ZERO })
    }

    fn press(&mut self, packet: u16) -> Record {
        let delivery = Delivery { client: CHECKER.into(), packet, digest: 0 };
        let body = Body::Trigger(Trigger {
            kind: TriggerKind::Sos,
            device: "button".into(),
            key: "action".into(),
            room: None,
            reason: Reason::ButtonPressed,
            follows: None,
            test: false,
        });
        self.0.seal(AT, Some(delivery), body).unwrap()
    }

    fn retired(&mut self, first_seq: u64) -> Record {
        let (head, fate) = (Hash32::ZERO, SegmentFate::Deleted);
        let retired = SegmentRetired { segment: 7, first_seq: Some(first_seq), last_seq: first_seq + 9, head, fate };
        self.0.seal(AT, None, Body::SegmentRetired(retired)).unwrap()
    }
}

fn judged(workload: Workload, truth: &Truth, records: &[Record]) -> Outcome {
    let mut outcome = Outcome::default();
    judge(workload, truth, records, &mut outcome);
    outcome
}

#[test]
fn a_promised_press_must_be_somewhere() {
    let mut chain = Chain::new();
    let (first, second) = (chain.press(1), chain.press(2));
    let truth = Truth { pressed: vec![1, 2], promised: [1, 2].into(), ..Truth::default() };
    assert_eq!(judged(Workload::FirstStart, &truth, &[first.clone(), second.clone()]).violations, []);
    assert_eq!(judged(Workload::FirstStart, &truth, std::slice::from_ref(&first)).violations, [Violation::Lost(2)]);
    // Retired from the journal once the centre had it.
    let truth = Truth { arrived: vec![second.into()], ..truth };
    assert_eq!(judged(Workload::RollAndRetire, &truth, &[first]).violations, []);
}

#[test]
fn a_press_with_two_records_is_doubled_wherever_they_are() {
    let mut chain = Chain::new();
    let (first, again) = (chain.press(1), chain.press(1));
    let truth = Truth { pressed: vec![1], ..Truth::default() };
    let both = [first.clone(), again.clone()];
    assert_eq!(judged(Workload::FirstStart, &truth, &both).violations, [Violation::Doubled(1)]);
    let truth = Truth { pressed: vec![1], arrived: vec![first.clone().into()], ..Truth::default() };
    assert_eq!(judged(Workload::FirstStart, &truth, std::slice::from_ref(&first)).violations, []);
    assert_eq!(judged(Workload::FirstStart, &truth, std::slice::from_ref(&again)).violations, [Violation::Doubled(1)]);
    // Only a disk that could not take it excuses this, and only a press that nobody was promised.
    let excused = judged(Workload::DiskFull, &truth, std::slice::from_ref(&again));
    assert_eq!((excused.violations, excused.recounted), (vec![], 1));
    let truth = Truth { promised: [1].into(), ..truth };
    assert_eq!(judged(Workload::DiskFull, &truth, &[again]).violations, [Violation::Doubled(1)]);
}

#[test]
fn a_segment_goes_only_when_the_centre_has_had_something_as_late() {
    let mut chain = Chain::new();
    let records = [chain.retired(40), chain.retired(50)];
    let truth = |arrived_through| Truth { arrived_through, ..Truth::default() };
    assert_eq!(judged(Workload::RollAndRetire, &truth(50), &records).violations, []);
    let early = judged(Workload::RollAndRetire, &truth(49), &records).violations;
    assert_eq!(early, [Violation::RetiredUndelivered(7)]);
}
