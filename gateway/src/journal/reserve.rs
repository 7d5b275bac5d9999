//! The reserve: a file made at its full length beforehand, in which emergencies stand that the centre
//! has no receipt for. Writing there needs no new space, so that a press is durable on a full disk.
//!
//! It is a second place, never a second truth: at start a record that the journal has too counts once,
//! one that follows the journal's last is taken into it, and one that is missing from its middle stays here
//! until a checkpoint keeps what follows from it. Sectors of what is no longer needed are written
//! over and not wiped; what stands there still is known by its number and hash.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::io;

use protocol::record::Record;

use super::format::{ENVELOPE_BYTES, Envelope, RESERVE_MAGIC, put_reserved, split_frame};
use super::storage::Storage;
use super::{FORMAT_VERSION, JournalError};

/// Its name in the journal's directory.
pub(super) const RESERVE_NAME: &str = "reserve";

/// An entry begins at a multiple of this; a disk writes so much whole or not at all.
const SECTOR_BYTES: usize = 512;

/// A place that cannot be read is passed over in steps of this size.
const STEP_BYTES: usize = 4096;

/// Numbers left out where the reserve cannot be read: more than can have been given to records since the
/// last that the journal holds.
pub(super) const DOUBTFUL_SEQS: u64 = 1 << 20;

/// What the reserve holds after it was asked to.
#[derive(Debug)]
pub struct Reserved {
    /// Sequences of the records that are durable in it, rising.
    pub held: Vec<u64>,
    /// Why it holds not all that was asked for; none also where it is simply full.
    pub refused: Option<JournalError>,
}

/// Where an entry stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    sector: usize,
    sectors: usize,
}

#[derive(Debug)]
pub(super) struct Reserve {
    /// Length it is to have, bytes; 0 for no reserve.
    bytes: u64,
    /// Whether it has that length.
    is_made: bool,
    /// Whether part of it cannot be read: those sectors are left alone in this run.
    pub is_doubtful: bool,
    /// What was found and is not known to be durable, by sequence, with its offset: a killed run may have left it
    /// in memory only.
    unsettled: BTreeMap<u64, (u64, Vec<u8>)>,
    entries: BTreeMap<u64, Place>,
    taken: Vec<bool>,
}

impl Reserve {
    /// Reads the reserve, and gives every record that stands in it whole, by rising sequence.
    ///
    /// # Errors
    /// [`JournalError::Newer`].
    pub fn open<S: Storage>(storage: &S, bytes: u64) -> Result<(Self, Vec<Record>), JournalError> {
        let mut reserve = Self {
            bytes,
            is_made: false,
            is_doubtful: false,
            unsettled: BTreeMap::new(),
            entries: BTreeMap::new(),
            taken: Vec::new(),
        };
        if bytes == 0 {
            return Ok((reserve, Vec::new()));
        }
        let content = reserve.content(storage);
        let records = reserve.scan(&content)?;
        Ok((reserve, records))
    }

    fn content<S: Storage>(&mut self, storage: &S) -> Vec<u8> {
        let size = match storage.size(RESERVE_NAME) {
            Ok(size) => size,
            Err(error) => {
                self.is_doubtful = error.kind() != io::ErrorKind::NotFound;
                return Vec::new();
            }
        };
        self.bytes = self.bytes.max(size);
        self.is_made = size >= self.bytes;
        self.taken = vec![false; usize::try_from(self.bytes).unwrap_or(0) / SECTOR_BYTES];
        let mut content = vec![0; usize::try_from(size).unwrap_or(0)];
        if storage.read_at(RESERVE_NAME, 0, &mut content).is_ok() {
            return content;
        }
        for (step, piece) in content.chunks_mut(STEP_BYTES).enumerate() {
            if storage.read_at(RESERVE_NAME, (step * STEP_BYTES) as u64, piece).is_err() {
                piece.fill(0);
                self.is_doubtful = true;
                let first = step * STEP_BYTES / SECTOR_BYTES;
                self.taken.iter_mut().skip(first).take(STEP_BYTES / SECTOR_BYTES).for_each(|taken| *taken = true);
            }
        }
        content
    }

    fn scan(&mut self, content: &[u8]) -> Result<Vec<Record>, JournalError> {
        let mut records = BTreeMap::new();
        let mut sector = 0;
        while let Some(at) = content.get(sector * SECTOR_BYTES..).filter(|rest| !rest.is_empty()) {
            let Some((envelope, payload)) = entry(at) else {
                sector += 1;
                continue;
            };
            if envelope.is_newer() {
                let found = envelope.version.max(envelope.body_version);
                return Err(JournalError::Newer { name: RESERVE_NAME.to_owned(), found, known: FORMAT_VERSION });
            }
            let length = ENVELOPE_BYTES + payload.len();
            let place = Place { sector, sectors: sectors_of(length) };
            let found = at[..length].to_vec();
            sector += place.sectors;
            let decoded =
                split_frame(payload).and_then(|(prev, bytes)| Record::decode(envelope.body_version, bytes, prev).ok());
            if let Some(record) = decoded {
                self.take(record.seq, place);
                self.unsettled.insert(record.seq, ((place.sector * SECTOR_BYTES) as u64, found));
                records.insert(record.seq, record);
            }
        }
        Ok(records.into_values().collect())
    }

    fn take(&mut self, seq: u64, place: Place) {
        if let Some(old) = self.entries.insert(seq, place) {
            self.mark(old, false);
        }
        self.mark(place, true);
    }

    fn mark(&mut self, place: Place, taken: bool) {
        self.taken.iter_mut().skip(place.sector).take(place.sectors).for_each(|sector| *sector = taken);
    }

    /// Makes the file, or what is missing of its length; zeros are written, so that the disk has given the
    /// space for good.
    pub fn make<S: Storage>(&mut self, storage: &mut S) -> io::Result<()> {
        if self.is_made || self.bytes == 0 {
            return Ok(());
        }
        let size = match storage.size(RESERVE_NAME) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                storage.create(RESERVE_NAME)?;
                0
            }
            size => size?,
        };
        let missing = usize::try_from(self.bytes.saturating_sub(size)).unwrap_or(0);
        storage.append(RESERVE_NAME, &vec![0; missing])?;
        storage.sync(RESERVE_NAME)?;
        storage.sync_dir()?;
        self.taken.resize(usize::try_from(self.bytes).unwrap_or(0) / SECTOR_BYTES, false);
        self.is_made = true;
        Ok(())
    }

    /// Makes durable what was found in it. It is written once more, because a sync that failed in a killed run
    /// leaves pages that read well and that no later sync writes.
    pub fn settle<S: Storage>(&mut self, storage: &mut S) -> Result<(), JournalError> {
        if self.unsettled.is_empty() {
            return Ok(());
        }
        for (offset, bytes) in self.unsettled.values() {
            let put = storage.overwrite(RESERVE_NAME, *offset, bytes);
            put.map_err(|source| JournalError::io("write", RESERVE_NAME, source))?;
        }
        storage.sync(RESERVE_NAME).map_err(|source| JournalError::io("sync", RESERVE_NAME, source))?;
        self.unsettled.clear();
        Ok(())
    }

    /// Whether it can take records.
    pub fn is_made(&self) -> bool {
        self.is_made
    }

    /// Makes the reserve hold these, the first ones where not all fit, and forget all others.
    pub fn hold<S: Storage, R: Borrow<Record>>(&mut self, storage: &mut S, records: &[R]) -> Reserved {
        let wanted: Vec<&Record> = records.iter().map(Borrow::borrow).collect();
        let over: Vec<u64> =
            self.entries.keys().copied().filter(|seq| wanted.iter().all(|record| record.seq != *seq)).collect();
        for seq in over {
            if let Some(place) = self.entries.remove(&seq) {
                self.mark(place, false);
            }
            // What nobody wants any more must not stand in the way of the rest.
            self.unsettled.remove(&seq);
        }
        if let Err(error) = self.settle(storage) {
            return Reserved { held: Vec::new(), refused: Some(error) };
        }
        let refused = self.add(storage, &wanted).err();
        Reserved { held: self.entries.keys().copied().collect(), refused }
    }

    fn add<S: Storage>(&mut self, storage: &mut S, wanted: &[&Record]) -> Result<(), JournalError> {
        let missing: Vec<&Record> =
            wanted.iter().filter(|record| !self.entries.contains_key(&record.seq)).copied().collect();
        if missing.is_empty() || self.bytes == 0 {
            return Ok(());
        }
        self.make(storage).map_err(|source| JournalError::io("make", RESERVE_NAME, source))?;
        let mut written = Vec::new();
        let put = self
            .put(storage, &missing, &mut written)
            .and_then(|()| storage.sync(RESERVE_NAME).map_err(|source| JournalError::io("sync", RESERVE_NAME, source)));
        for (seq, place) in written {
            match put {
                Ok(()) => self.take(seq, place),
                Err(_) => self.mark(place, false),
            }
        }
        put
    }

    fn put<S: Storage>(
        &mut self,
        storage: &mut S,
        missing: &[&Record],
        written: &mut Vec<(u64, Place)>,
    ) -> Result<(), JournalError> {
        for record in missing {
            let mut bytes = Vec::new();
            put_reserved(&mut bytes, record).map_err(|source| JournalError::Encode { seq: record.seq, source })?;
            // The later ones stay out with the first that finds no room, so that what is held has no hole.
            let Some(place) = self.room(sectors_of(bytes.len())) else { break };
            self.mark(place, true);
            written.push((record.seq, place));
            let offset = (place.sector * SECTOR_BYTES) as u64;
            storage
                .overwrite(RESERVE_NAME, offset, &bytes)
                .map_err(|source| JournalError::io("write", RESERVE_NAME, source))?;
        }
        Ok(())
    }

    /// The first free place of so many sectors.
    fn room(&self, sectors: usize) -> Option<Place> {
        let sector = self.taken.windows(sectors.max(1)).position(|run| run.iter().all(|taken| !taken))?;
        Some(Place { sector, sectors })
    }
}

fn entry(bytes: &[u8]) -> Option<(Envelope, &[u8])> {
    let envelope = Envelope::read(RESERVE_MAGIC, bytes)?;
    let payload = bytes.get(ENVELOPE_BYTES..ENVELOPE_BYTES.checked_add(envelope.payload_bytes)?)?;
    envelope.holds(payload).then_some((envelope, payload))
}

fn sectors_of(bytes: usize) -> usize {
    bytes.div_ceil(SECTOR_BYTES)
}

/// Every record that stands whole in the reserve of a directory, for a reader.
///
/// # Errors
/// [`JournalError::Newer`].
pub(super) fn read<S: Storage>(storage: &S) -> Result<Vec<Record>, JournalError> {
    let bytes = storage.size(RESERVE_NAME).unwrap_or(0);
    Reserve::open(storage, bytes).map(|(_, records)| records)
}
