//! What the journal loses is attested by a record before or as soon as it is known: a segment that goes,
//! and numbers that have no record.

use protocol::record::{Body, MissingRecords, SegmentRetired};

use super::{Command, Engine, Now, SendFailure};

/// Most gaps named one by one at a start; what is beyond is named as one.
const GAPS_MAX: usize = 100;

/// Segments on their way out.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    /// The last segment that a record attests, and that record.
    attested: Option<(u64, u64)>,
    /// The last segment that was let go.
    retired: u64,
}

impl Engine {
    /// A segment has begun, whose checkpoint keeps what follows from all before it. The journal could let these
    /// go: a record attests each, and only then they do.
    pub(super) fn rolled(&mut self, now: &Now, segments: Vec<SegmentRetired>) {
        self.roll_due = false;
        self.reserve.only.clear();
        let known = self.upkeep.attested.map_or(0, |(segment, _)| segment).max(self.upkeep.retired);
        for retired in segments.into_iter().filter(|retired| retired.segment > known) {
            let segment = retired.segment;
            self.record(now, None, Body::SegmentRetired(retired));
            self.upkeep.attested = Some((segment, self.chain.next_seq - 1));
        }
    }

    /// Lets the attested segments go once the records that say so are on disk.
    pub(super) fn retire_attested(&mut self, commands: &mut Vec<Command>) {
        if let Some((through_segment, seq)) = self.upkeep.attested
            && seq < self.first_unsafe_seq()
        {
            self.upkeep.attested = None;
            self.upkeep.retired = through_segment;
            commands.push(Command::Retire { through_segment });
        }
    }

    /// Names the numbers that the journal found without a record at start.
    pub(super) fn name_gaps(&mut self, now: &Now, mut gaps: Vec<MissingRecords>) {
        if let Some(rest) = gaps.get(GAPS_MAX..).filter(|rest| !rest.is_empty()) {
            let cause = rest[0].cause;
            let (first_seq, last_seq) = (rest[0].first_seq, rest[rest.len() - 1].last_seq);
            gaps.truncate(GAPS_MAX);
            gaps.push(MissingRecords { first_seq, last_seq, cause });
        }
        for gap in gaps {
            self.counters.count("missing_records_found");
            self.record(now, None, Body::Missing(gap));
        }
    }

    /// What a request or poll came to, as far as the certificate goes.
    pub(super) fn note_certificate(&mut self, failure: Option<&SendFailure>) {
        self.certificate_refused = matches!(failure, Some(SendFailure::CertificateTime(_)));
        if self.certificate_refused {
            self.counters.count("certificate_time_refused");
        }
    }
}
