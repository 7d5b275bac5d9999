//! The chain of a home's journal as the centre knows it: the runs that wrote it, each with the places it took.
//!
//! A gateway cannot tell a disk that was lost, replaced or taken back to an older copy from one that never held
//! more. The centre can, in whatever order records come: in one journal no place belongs to two runs, and each record
//! carries the hash of the one before it. Records of the home alone ("local") are never sent, so that a hash is
//! compared only where both its ends are known.

use protocol::ids::{Hash32, Incarnation};
use protocol::record::{Body, Record};

/// Runs remembered; of older ones nothing is on its way any more.
pub const RUNS_MAX: usize = 16;

/// Where a record contradicts what was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Two runs took the same places: the disk was lost, replaced, taken back or copied, or the last records of
    /// `other` never reached it. What the centre has of them is all there is.
    Overlap {
        /// The run whose record has just come.
        run: Incarnation,
        /// The run known before.
        other: Incarnation,
        /// The first place that both took.
        from: u64,
    },
    /// The record does not follow the one known before it.
    Broken {
        /// The run.
        run: Incarnation,
        /// The record's place.
        seq: u64,
    },
}

/// A run of the gateway, as far as its records have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Which.
    pub incarnation: Incarnation,
    /// The lowest place seen of it.
    pub first: u64,
    /// The highest.
    pub last: u64,
    /// The run that took its later places and was told of.
    pub lost_to: Option<Incarnation>,
}

/// A home's chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// Its runs, in the order in which they were first heard of.
    pub runs: Vec<Run>,
    /// The record with the highest place.
    pub newest: Option<Newest>,
}

/// The record that the next one is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// Its run.
    pub incarnation: Incarnation,
    /// Its place.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash32,
}

impl Chain {
    /// Takes a record that is new here, and says where it contradicts what was known.
    pub fn follow(&mut self, record: &Record) -> Option<Finding> {
        let (run, seq) = (record.incarnation, record.seq);
        let this = Newest { incarnation: run, seq, hash: record.hash };
        // Where another run's record stood before it, only a run's first record tells which chain it goes on from.
        let begins = matches!(record.body, Body::Started(_));
        let before = self.newest.filter(|newest| newest.seq + 1 == seq && (newest.incarnation == run || begins));
        let breaks = before.is_some_and(|before| before.hash != record.prev);
        if self.newest.is_none_or(|newest| newest.seq < seq) {
            self.newest = Some(this);
        }
        let mut own = match self.runs.iter().position(|known| known.incarnation == run) {
            Some(at) => self.runs.remove(at),
            None => Run { incarnation: run, first: seq, last: seq, lost_to: None },
        };
        (own.first, own.last) = (own.first.min(seq), own.last.max(seq));
        let mut overlap = None;
        for other in self.runs.iter_mut().filter(|other| other.first <= own.last && own.first <= other.last) {
            // Said once of each: from here on the places are this run's, and more of them may come.
            if other.lost_to != Some(run) {
                let from = own.first.max(other.first);
                overlap.get_or_insert(Finding::Overlap { run, other: other.incarnation, from });
            }
            (other.last, other.lost_to) = (own.first.saturating_sub(1), Some(run));
            self.newest = (own.last == seq).then_some(this);
        }
        self.runs.retain(|other| other.first <= other.last);
        if self.runs.len() >= RUNS_MAX {
            self.runs.remove(0);
        }
        self.runs.push(own);
        if overlap.is_some() {
            return overlap;
        }
        breaks.then_some(Finding::Broken { run, seq })
    }
}

#[cfg(test)]
mod tests {
    use protocol::record::{ChainHead, Stamp};

    use super::*;

    /// A gateway: runs over one disk.
    struct Disk(ChainHead);

    impl Disk {
        fn start(&mut self, run: u64) -> Record {
            self.0.incarnation = Incarnation(run);
            self.seal(Body::Started(crate::testing::started()))
        }

        fn seal(&mut self, body: Body) -> Record {
            let at = Stamp { boot: 1, uptime_ms: 1, wall_ms: 0, wall_trusted: false };
            self.0.seal(at, None, body).unwrap()
        }

        fn link(&mut self) -> Record {
            self.seal(Body::Link { up: true })
        }

        fn copy(&self) -> Self {
            Self(ChainHead { incarnation: self.0.incarnation, next_seq: self.0.next_seq, hash: self.0.hash })
        }
    }

    fn empty() -> Disk {
        Disk(ChainHead { incarnation: Incarnation(0), next_seq: 1, hash: Hash32::ZERO })
    }

    fn follow(chain: &mut Chain, records: &[&Record]) -> Vec<Finding> {
        records.iter().filter_map(|record| chain.follow(record)).collect()
    }

    #[test]
    fn runs_of_one_disk_follow_each_other_in_whatever_order_their_records_come() {
        let mut disk = empty();
        let first = [disk.start(1), disk.link(), disk.link()];
        let second = [disk.start(2), disk.link(), disk.link()];
        let mut chain = Chain::default();
        let overtaking = [&first[0], &first[2], &second[2], &first[1], &second[0], &second[1]];
        assert_eq!(follow(&mut chain, &overtaking), []);
        let third = disk.start(3);
        assert_eq!(follow(&mut chain, &[&third]), []);
    }

    #[test]
    fn a_disk_taken_back_is_named_once_however_the_first_records_come() {
        let mut disk = empty();
        let before = [disk.start(1), disk.link()];
        let mut old = disk.copy();
        let after = [disk.link(), disk.link(), disk.link()];
        let again = [old.start(2), old.link(), old.link(), old.link(), old.link()];
        for order in [[0, 1, 2, 3, 4], [4, 0, 1, 2, 3], [3, 4, 1, 0, 2]] {
            let mut chain = Chain::default();
            assert_eq!(follow(&mut chain, &[&before[0], &before[1], &after[0], &after[1], &after[2]]), []);
            let records: Vec<&Record> = order.iter().map(|at| &again[*at]).collect();
            let found = follow(&mut chain, &records);
            let [Finding::Overlap { run, other, .. }] = found[..] else { panic!("{order:?}: {found:?}") };
            assert_eq!((run.0, other.0), (2, 1));
            let mut old = old.copy();
            let next = [old.start(3), old.link()];
            assert_eq!(follow(&mut chain, &[&next[0], &next[1]]), []);
        }
    }

    #[test]
    fn a_lost_disk_begins_at_the_beginning_again() {
        let (mut disk, mut new) = (empty(), empty());
        let mut chain = Chain::default();
        assert_eq!(follow(&mut chain, &[&disk.start(1), &disk.link()]), []);
        let lost = Finding::Overlap { run: Incarnation(2), other: Incarnation(1), from: 1 };
        assert_eq!(follow(&mut chain, &[&new.start(2), &new.link(), &new.link()]), [lost]);
    }

    #[test]
    fn two_gateways_that_write_one_journal_are_found_out_whenever_they_write() {
        let mut disk = empty();
        let begin = [disk.start(1), disk.link()];
        let mut twin = disk.copy();
        let mut chain = Chain::default();
        assert_eq!(follow(&mut chain, &[&begin[0], &begin[1], &twin.start(2)]), []);
        let overlap = |run, other, from| Finding::Overlap { run: Incarnation(run), other: Incarnation(other), from };
        assert_eq!(follow(&mut chain, &[&disk.link()]), [overlap(1, 2, 3)]);
        assert_eq!(follow(&mut chain, &[&twin.link(), &twin.link()]), []);
        assert_eq!(follow(&mut chain, &[&disk.link()]), [overlap(1, 2, 4)]);
    }

    #[test]
    fn a_step_that_does_not_follow_is_broken() {
        let (mut disk, mut other) = (empty(), empty());
        let begin = disk.start(1);
        other.0.hash = Hash32([7; 32]);
        other.start(1);
        let mut chain = Chain::default();
        let broken = Finding::Broken { run: Incarnation(1), seq: 2 };
        assert_eq!(follow(&mut chain, &[&begin, &other.link()]), [broken]);
        let next = other.start(2);
        assert_eq!(follow(&mut chain, &[&next]), []);
        disk.link();
        disk.link();
        disk.link();
        let broken = Finding::Broken { run: Incarnation(3), seq: 5 };
        disk.0.next_seq = 4;
        disk.link();
        let third = disk.start(3);
        assert_eq!((third.seq, follow(&mut chain, &[&other.link(), &third])), (5, vec![broken]));
    }
}
