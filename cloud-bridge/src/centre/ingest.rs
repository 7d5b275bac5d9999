//! The door for records: removed duplicates by key, checked hashes, true age; then the home's machine.

use protocol::record::{Route, Stamp};
use protocol::uplink::{HASH_CONFLICT, Receipt, Refusal};

use super::{Centre, Changes, Uplink, UplinkDone};
use crate::dispatch::{Arrival, Dispatch, Input};
use crate::store::{Kept, NewRecord, Store, StoreError};

/// Refusal: the hash is not that of the content, and no life depends on the record.
pub const HASH_MISMATCH: &str = "hash_mismatch";

/// Refusal: the record's content is not understood.
pub const NOT_UNDERSTOOD: &str = "not_understood";

impl<S: Store> Centre<S> {
    pub(super) fn uplink(
        &mut self,
        now_ms: i64,
        uplink: Uplink,
        changes: &mut Changes,
    ) -> Result<UplinkDone, StoreError> {
        let Uplink { batch, salvaged, refused } = uplink;
        let gateway = batch.gateway;
        let mut done = UplinkDone { refused, ..UplinkDone::default() };
        done.receipts.reserve(batch.records.len());
        let tells_orders = batch.records.iter().any(|record| record.body.route() == Route::Emergency);
        let mut home: Option<(Dispatch, Dispatch)> = None;
        let mut known_before = true;
        let mut chain = None;
        for record in batch.records {
            let (key, hash) = (record.key(), record.hash);
            let raw = salvaged.get(&key).map(String::as_str);
            let verified = raw.is_none() && record.is_sealed();
            if !verified && raw.is_none() {
                done.mismatches.push(key);
                if record.body.route() != Route::Emergency {
                    done.refused.push(Refusal { key, reason: HASH_MISMATCH.to_owned() });
                    continue;
                }
            }
            let new = NewRecord { gateway: &gateway, record: &record, received_at_ms: now_ms, verified, raw };
            match self.store.put_record(new)? {
                Kept::New => done.stored += 1,
                Kept::Duplicate => {
                    done.duplicates += 1;
                    done.receipts.push(Receipt { key, hash });
                    continue;
                }
                Kept::Conflict { .. } => {
                    done.conflicts.push(key);
                    done.refused.push(Refusal { key, reason: HASH_CONFLICT.to_owned() });
                    continue;
                }
            }
            if verified {
                let chain = match &mut chain {
                    Some(chain) => chain,
                    none => none.insert(self.store.chain(&gateway)?.unwrap_or_default()),
                };
                done.findings.extend(chain.follow(&record));
            }
            done.salvaged += u32::from(raw.is_some());
            done.receipts.push(Receipt { key, hash });
            if !Dispatch::concerns(&record.body) {
                continue;
            }
            let (home, _) = match &mut home {
                Some(known) => known,
                none => {
                    let found = self.store.home(&gateway)?;
                    known_before = found.is_some();
                    let found = found.unwrap_or_else(|| Dispatch::new(gateway.clone()));
                    none.insert((found.clone(), found))
                }
            };
            let settled = match Dispatch::opens(&gateway, &record) {
                Some((life, id)) if !home.knows(life) && !home.orders.contains_key(&id) => {
                    self.store.order(&id)?.is_some()
                }
                Some(_) | None => false,
            };
            let age_ms = age_ms(&batch.sent, &record.at);
            let arrival = Arrival { record, age_ms, settled, mains: self.mains };
            let effects = home.handle(now_ms, Input::Record(arrival));
            self.apply(now_ms, &gateway, effects, changes)?;
        }
        if let Some(chain) = &chain {
            self.store.put_chain(&gateway, chain)?;
        }
        if let Some((home, before)) = &home
            && (home != before || !known_before)
        {
            self.keep(home, changes)?;
        }
        if tells_orders {
            done.ver = match &home {
                Some((home, _)) => home.ver,
                None => self.store.home(&gateway)?.map_or(0, |home| home.ver),
            };
        }
        done.opened = changes.opened;
        Ok(done)
    }
}

/// How long before `sent` a stamp was made: exact within one boot, by trusted wall clocks across
/// boots, else unknown.
pub fn age_ms(sent: &Stamp, at: &Stamp) -> Option<u64> {
    if sent.boot == at.boot {
        return Some(sent.uptime_ms.saturating_sub(at.uptime_ms));
    }
    if sent.wall_trusted && at.wall_trusted {
        return Some(u64::try_from(sent.wall_ms.saturating_sub(at.wall_ms)).unwrap_or(0));
    }
    None
}
