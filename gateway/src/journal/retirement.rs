//! Old segments leave the journal: which may, and how they go. A record attests each before it does.

use protocol::record::{SegmentFate, SegmentRetired};

use super::catalog::{Segment, aside_name, end_seq, number_in, read_segment, segment_name};
use super::{Journal, JournalError, Storage};

impl<S: Storage> Journal<S> {
    /// Old segments that may leave the journal: those beyond the limits with every record at or below
    /// `delivered_low_water`, oldest first. The two newest checkpoints and all behind them always stay.
    pub fn retirable(&self, delivered_low_water: u64) -> Vec<SegmentRetired> {
        let checkpointed = |segment: &Segment| segment.header.as_ref().is_some_and(|header| header.has_checkpoint);
        let newest = self.segments.iter().rposition(checkpointed).unwrap_or(0);
        let protected = self.segments[..newest].iter().rposition(checkpointed).unwrap_or(0);
        let mut kept_bytes = self.bytes();
        let mut retirable = Vec::new();
        for index in 0..protected {
            let Some(segment) = self.retirable_at(index, kept_bytes, delivered_low_water) else { break };
            kept_bytes -= self.segments[index].bytes;
            retirable.push(segment);
        }
        retirable
    }

    fn retirable_at(&self, index: usize, kept_bytes: u64, delivered_low_water: u64) -> Option<SegmentRetired> {
        let segment = &self.segments[index];
        let last_seq = end_seq(&self.segments, index).saturating_sub(1);
        let next_header = self.segments[index + 1..].iter().find_map(|segment| segment.header.as_ref())?;
        let age_ms = self.wall_ms.saturating_sub(next_header.wall_ms);
        let too_old = next_header.wall_ms > 0 && age_ms > i64::try_from(self.limits.retained_ms).unwrap_or(i64::MAX);
        if last_seq > delivered_low_water || !(too_old || kept_bytes > self.limits.retained_bytes) {
            return None;
        }
        let damaged = segment.damaged || self.found_damaged.borrow().contains(&segment.number);
        Some(SegmentRetired {
            segment: segment.number,
            first_seq: segment.header.as_ref().map(|header| header.first_seq),
            last_seq,
            head: next_header.prev_hash,
            fate: if damaged { SegmentFate::KeptAside } else { SegmentFate::Deleted },
        })
    }

    /// Takes segments up to this one out of the journal, whose records attest it by now: each is deleted,
    /// or kept under another name where it is damaged. Returns how many went.
    ///
    /// # Errors
    /// [`JournalError::Io`] when the disk refuses; what went before stays gone.
    pub fn retire(&mut self, through_segment: u64) -> Result<usize, JournalError> {
        let mut gone = 0;
        // The newest is never among them: it is appended to.
        while self.segments.len() > 1
            && let Some(oldest) = self.segments.first().filter(|oldest| oldest.number <= through_segment)
        {
            let (name, number) = (oldest.name(), oldest.number);
            self.sweep_before(number)?;
            let Some(oldest) = self.segments.first() else { break };
            let damaged = oldest.damaged || self.found_damaged.borrow().contains(&oldest.number);
            let done = match damaged {
                false => self.storage.remove(&name),
                true => self.storage.rename(&name, &aside_name(oldest.number)),
            };
            done.map_err(|source| JournalError::io("retire", &*name, source))?;
            self.segments.remove(0);
            // One by one, so that a power cut never leaves an older segment without a newer one.
            self.storage.sync_dir().map_err(|source| JournalError::io("sync", "the directory", source))?;
            gone += 1;
        }
        Ok(gone)
    }

    /// Removes what failed attempts to begin a segment left before segment `number`, which alone shows it for what it
    /// is: without that segment it would look like an older one, and all between as missing. What holds more than a
    /// header is nobody's debris and is kept aside.
    fn sweep_before(&mut self, number: u64) -> Result<(), JournalError> {
        let names = self.storage.list().map_err(|source| JournalError::io("list", "the directory", source))?;
        let left: Vec<u64> = names.iter().filter_map(|name| number_in(name)).filter(|left| *left < number).collect();
        for left in &left {
            let name = segment_name(*left);
            let refused = |source| JournalError::io("clear away", &*name, source);
            let bytes = self.storage.size(&name).map_err(refused)?;
            let segment = read_segment(&self.storage, *left, bytes)?;
            let done = match segment.unbegun || segment.header.is_some() && bytes <= segment.frames_at {
                true => self.storage.remove(&name),
                false => self.storage.rename(&name, &aside_name(*left)),
            };
            done.map_err(refused)?;
        }
        if left.is_empty() {
            return Ok(());
        }
        self.storage.sync_dir().map_err(|source| JournalError::io("sync", "the directory", source))
    }
}
