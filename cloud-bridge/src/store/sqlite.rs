//! The embedded store: SQLite in WAL mode with `synchronous=FULL`, so that a commit survives a
//! power cut. One connection writes; readers open the same file read-only.

use std::path::Path;

use protocol::ids::{GatewayId, Hash32, Incarnation, LocalKey, WorkOrderId};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};

use super::{
    FEED_KEPT_MS, FeedBounds, FeedItem, Kept, NewFeedItem, NewRecord, OrderFilter, Reads, SAVED_KEPT_MS, SavedAnswer,
    Store, StoreError, TimelineRow, rows, snapshot,
};
use crate::centre::chain::Chain;
use crate::dispatch::effect::{VisitRow, state_name};
use crate::dispatch::{Dispatch, WorkOrder};

/// Schema changes in order; a database knows how many it has by its `user_version`.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_silence.sql"),
    include_str!("migrations/0003_chain.sql"),
];

/// How long a statement waits for another process that holds the file, milliseconds.
const BUSY_MS: u64 = 5_000;

/// Pages of the write-ahead log at which a commit itself moves them into the database (40 MB).
const LOG_PAGES_MAX: u32 = 10_000;

/// Commits after which an idle writer moves the log into the database.
const LOG_COMMITS: u32 = 100;

/// Prepared statements kept per connection.
const STATEMENTS_KEPT: usize = 64;

/// A connection to the database, for the writer or for a reader.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    identity: Hash32,
    commits_in_log: u32,
}

fn failed(what: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |source| StoreError::Sqlite { what, source }
}

impl SqliteStore {
    /// Opens or creates the database for writing; `identity` is kept if it is created now.
    ///
    /// # Errors
    /// When the file cannot be opened, is of a newer schema, or a migration fails.
    pub fn open(path: &Path, identity: Hash32) -> Result<Self, StoreError> {
        let open = |source| StoreError::Open { path: path.to_owned(), source };
        let mut connection = Connection::open(path).map_err(open)?;
        connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS)).map_err(open)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(open)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(open)?;
        // Not in somebody's commit: `tidy` does it while nobody waits; this is only the limit.
        connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES_MAX).map_err(open)?;
        migrate(&mut connection)?;
        connection
            .execute("INSERT INTO meta VALUES ('identity', ?1) ON CONFLICT DO NOTHING", params![identity.0])
            .map_err(failed("keep its identity"))?;
        Self::ready(connection)
    }

    /// Opens an existing database for reading.
    ///
    /// # Errors
    /// When the file cannot be opened or read.
    pub fn open_reader(path: &Path) -> Result<Self, StoreError> {
        let open = |source| StoreError::Open { path: path.to_owned(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(open)?;
        connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS)).map_err(open)?;
        Self::ready(connection)
    }

    fn ready(connection: Connection) -> Result<Self, StoreError> {
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        let identity = connection
            .query_row("SELECT value FROM meta WHERE name = 'identity'", [], |row| row.get(0))
            .map(Hash32)
            .map_err(failed("read its identity"))?;
        Ok(Self { connection, identity, commits_in_log: 0 })
    }

    fn run(&self, what: &'static str, sql: &str, values: impl rusqlite::Params) -> Result<usize, StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(failed(what))?;
        statement.execute(values).map_err(failed(what))
    }

    fn one<T>(
        &self,
        what: &'static str,
        sql: &str,
        values: impl rusqlite::Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(failed(what))?;
        statement.query_row(values, read).optional().map_err(failed(what))
    }

    fn all<T>(
        &self,
        what: &'static str,
        sql: &str,
        values: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(failed(what))?;
        let rows = statement.query_map(values, read).map_err(failed(what))?;
        rows.collect::<rusqlite::Result<Vec<T>>>().map_err(failed(what))
    }
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let what = "bring its schema up to date";
    let found: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed("read its schema"))?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for (i, migration) in MIGRATIONS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0)) {
        let transaction = connection.transaction().map_err(failed(what))?;
        transaction.execute_batch(migration).map_err(failed(what))?;
        transaction.pragma_update(None, "user_version", i as i64 + 1).map_err(failed(what))?;
        transaction.commit().map_err(failed(what))?;
    }
    Ok(())
}

fn json<T: serde::de::DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Unreadable { what, source })
}

fn to_json<T: serde::Serialize>(what: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Unreadable { what, source })
}

impl Reads for SqliteStore {
    fn home(&mut self, gateway: &GatewayId) -> Result<Option<Dispatch>, StoreError> {
        let sql = "SELECT snapshot FROM homes WHERE gateway = ?1";
        let text: Option<String> = self.one("read a home", sql, params![gateway.as_str()], |row| row.get(0))?;
        text.map(|text| snapshot::read_home(&text)).transpose()
    }

    fn chain(&mut self, gateway: &GatewayId) -> Result<Option<Chain>, StoreError> {
        let sql = "SELECT body FROM chains WHERE gateway = ?1";
        let text: Option<String> = self.one("read a chain", sql, params![gateway.as_str()], |row| row.get(0))?;
        text.map(|text| snapshot::read_chain(&text)).transpose()
    }

    fn gateways(&mut self) -> Result<Vec<(GatewayId, bool)>, StoreError> {
        let sql = "SELECT gateway, silent_since_ms IS NOT NULL FROM homes ORDER BY gateway";
        let found: Vec<(String, bool)> = self.all("list gateways", sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let id = |(id, silent): (String, bool)| {
            id.parse().map(|id| (id, silent)).map_err(|_| StoreError::Invalid { what: "gateway id" })
        };
        found.into_iter().map(id).collect()
    }

    fn due_homes(&mut self, now_ms: i64, limit: usize) -> Result<Vec<GatewayId>, StoreError> {
        let sql = "SELECT gateway FROM homes WHERE next_due <= ?1 ORDER BY next_due, gateway LIMIT ?2";
        let ids: Vec<String> = self.all("read due homes", sql, params![now_ms, limit as i64], |row| row.get(0))?;
        ids.iter().map(|id| id.parse().map_err(|_| StoreError::Invalid { what: "gateway id" })).collect()
    }

    fn next_due(&mut self) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT next_due FROM homes WHERE next_due IS NOT NULL ORDER BY next_due LIMIT 1";
        self.one("read the next deadline", sql, [], |row| row.get(0))
    }

    fn order(&mut self, id: &WorkOrderId) -> Result<Option<WorkOrder>, StoreError> {
        let sql = "SELECT body FROM work_orders WHERE id = ?1";
        let text: Option<String> = self.one("read an order", sql, params![id.as_str()], |row| row.get(0))?;
        text.map(|text| snapshot::read_order(&text)).transpose()
    }

    fn orders(&mut self, filter: &OrderFilter) -> Result<Vec<WorkOrder>, StoreError> {
        // Two questions, each along its own index: what waits is short, what is closed is years long.
        let waiting = "SELECT body FROM work_orders
            WHERE state <> 'closed' AND (?1 = '' OR instr(?1, ',' || state || ',') > 0) AND (?2 IS NULL OR gateway = ?2)
            ORDER BY priority, claimed, opened_at_ms, id LIMIT ?3";
        let closed = "SELECT body FROM work_orders
            WHERE state = 'closed' AND (?1 = '' OR instr(?1, ',' || state || ',') > 0) AND (?2 IS NULL OR gateway = ?2)
            ORDER BY updated_at_ms DESC, id LIMIT ?3";
        let states: String = filter.states.iter().map(|state| format!(",{},", state_name(*state))).collect();
        let gateway = filter.gateway.as_ref().map(GatewayId::as_str);
        let mut orders = Vec::new();
        for sql in [waiting, closed] {
            let left = (filter.limit - orders.len()) as i64;
            let texts: Vec<String> = self.all("list orders", sql, params![states, gateway, left], |row| row.get(0))?;
            for text in texts {
                orders.push(snapshot::read_order(&text)?);
            }
        }
        Ok(orders)
    }

    fn timeline(&mut self, id: &WorkOrderId) -> Result<Vec<TimelineRow>, StoreError> {
        let sql = "SELECT at_ms, occurred_at_ms, source, operator, what, detail FROM timeline
            WHERE work_order = ?1 ORDER BY n";
        let lines = self.all("read a timeline", sql, params![id.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get::<_, String>(5)?))
        })?;
        let line = |(at_ms, occurred_at_ms, source, by, what, detail): (_, _, _, _, _, String)| {
            let detail = json("timeline entry", &detail)?;
            Ok(TimelineRow { order: id.clone(), at_ms, occurred_at_ms, source, by, what, detail })
        };
        lines.into_iter().map(line).collect()
    }

    fn feed_bounds(&mut self) -> Result<FeedBounds, StoreError> {
        let what = "read the feed's ends";
        let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'feed'";
        let last = self.one(what, sql, [], |row| row.get::<_, i64>(0))?.unwrap_or(0);
        let sql = "SELECT feedseq FROM feed ORDER BY feedseq LIMIT 1";
        let first = self.one(what, sql, [], |row| row.get::<_, i64>(0))?.unwrap_or(last + 1);
        Ok(FeedBounds { first: first.unsigned_abs(), last: last.unsigned_abs() })
    }

    fn feed_after(&mut self, after: u64, limit: usize) -> Result<Vec<FeedItem>, StoreError> {
        let sql = "SELECT feedseq, kind, subject, time_ms, test, data FROM feed
            WHERE feedseq > ?1 ORDER BY feedseq LIMIT ?2";
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let items = self.all("read the feed", sql, params![after, limit as i64], |row| {
            let feedseq: i64 = row.get(0)?;
            Ok((feedseq, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get::<_, String>(5)?))
        })?;
        let item = |(feedseq, kind, subject, time_ms, test, data): (i64, _, _, _, _, String)| {
            let feedseq = feedseq.unsigned_abs();
            let item = NewFeedItem { kind, subject, time_ms, test, data: json("feed item", &data)? };
            Ok(FeedItem { feedseq, id: rows::event_id(&self.identity, feedseq), item })
        };
        items.into_iter().map(item).collect()
    }

    fn saved(&mut self, by: &str, key: &str) -> Result<Option<SavedAnswer>, StoreError> {
        let sql = "SELECT asked, at_ms, body FROM saved_answers WHERE operator = ?1 AND key = ?2";
        let found = self.one("read a saved answer", sql, params![by, key], |row| {
            Ok((Hash32(row.get(0)?), row.get(1)?, row.get::<_, String>(2)?))
        })?;
        let Some((asked, at_ms, body)) = found else { return Ok(None) };
        let order = snapshot::read_order(&body)?;
        Ok(Some(SavedAnswer { by: by.to_owned(), key: key.to_owned(), asked, at_ms, order }))
    }

    fn record_count(&mut self) -> Result<u64, StoreError> {
        let count = self.one("count records", "SELECT count(*) FROM records", [], |row| row.get::<_, i64>(0))?;
        Ok(count.unwrap_or(0).unsigned_abs())
    }

    fn visits(&mut self, gateway: &GatewayId) -> Result<Vec<VisitRow>, StoreError> {
        let sql = "SELECT incarnation, seq, received_at_ms, occurred_at_ms, work_order, body FROM visits
            WHERE gateway = ?1 ORDER BY received_at_ms, incarnation, seq";
        let found = self.all("read visits", sql, params![gateway.as_str()], |row| {
            let incarnation = Incarnation(row.get::<_, i64>(0)?.cast_unsigned());
            let key = LocalKey { incarnation, seq: row.get::<_, i64>(1)?.cast_unsigned() };
            Ok((key, row.get(2)?, row.get(3)?, row.get::<_, Option<String>>(4)?, row.get::<_, String>(5)?))
        })?;
        let visit = |(key, received_at_ms, occurred_at_ms, order, body): (_, _, _, Option<String>, String)| {
            let order = order.map(|id| id.parse()).transpose();
            let work_order = order.map_err(|_| StoreError::Invalid { what: "work order id" })?;
            Ok(VisitRow { key, received_at_ms, occurred_at_ms, visit: json("visit", &body)?, work_order })
        };
        found.into_iter().map(visit).collect()
    }
}

impl Store for SqliteStore {
    fn begin(&mut self) -> Result<(), StoreError> {
        if !self.connection.is_autocommit() {
            self.rollback();
        }
        self.run("begin", "BEGIN IMMEDIATE", []).map(drop)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let committed = self.run("commit", "COMMIT", []).map(drop);
        match &committed {
            Ok(()) => self.commits_in_log += 1,
            Err(_) => self.rollback(),
        }
        committed
    }

    fn rollback(&mut self) {
        // SQLite may have rolled back by itself; then there is nothing left to take back.
        let _nothing_to_take_back = self.run("roll back", "ROLLBACK", []);
    }

    fn savepoint(&mut self) -> Result<(), StoreError> {
        self.run("set a savepoint", "SAVEPOINT request", []).map(drop)
    }

    fn release(&mut self) -> Result<(), StoreError> {
        self.run("release a savepoint", "RELEASE request", []).map(drop)
    }

    fn undo(&mut self) -> Result<(), StoreError> {
        self.run("go back to a savepoint", "ROLLBACK TO request", [])?;
        self.release()
    }

    fn put_record(&mut self, new: NewRecord<'_>) -> Result<Kept, StoreError> {
        let what = "store a record";
        let sql = "INSERT INTO records (gateway, incarnation, seq, hash, received_at_ms, verified, body)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (gateway, incarnation, seq) DO NOTHING";
        let key = new.record.key();
        let (incarnation, seq) = (key.incarnation.0.cast_signed(), key.seq.cast_signed());
        let gateway = new.gateway.as_str();
        let body = match new.raw {
            Some(raw) => raw.to_owned(),
            None => to_json("record", new.record)?,
        };
        let values = params![gateway, incarnation, seq, new.record.hash.0, new.received_at_ms, new.verified, body];
        if self.run(what, sql, values)? == 1 {
            return Ok(Kept::New);
        }
        let sql = "SELECT hash FROM records WHERE gateway = ?1 AND incarnation = ?2 AND seq = ?3";
        let stored = self.one(what, sql, params![gateway, incarnation, seq], |row| Ok(Hash32(row.get(0)?)))?;
        match stored {
            Some(stored) if stored == new.record.hash => Ok(Kept::Duplicate),
            Some(stored) => Ok(Kept::Conflict { stored }),
            None => Err(StoreError::Invalid { what: "record table" }),
        }
    }

    fn put_home(&mut self, home: &Dispatch) -> Result<(), StoreError> {
        let sql = "INSERT INTO homes (gateway, snapshot, ver, next_due, silent_since_ms) VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (gateway) DO UPDATE SET snapshot = ?2, ver = ?3, next_due = ?4, silent_since_ms = ?5";
        let next_due = home.next_deadline().map(|(due, _)| due);
        let silent_since_ms = home.silence.as_ref().map(|silence| silence.since_ms);
        let (snapshot, ver) = (snapshot::write_home(home)?, home.ver.cast_signed());
        let values = params![home.gateway.as_str(), snapshot, ver, next_due, silent_since_ms];
        self.run("write a home", sql, values).map(drop)
    }

    fn put_chain(&mut self, gateway: &GatewayId, chain: &Chain) -> Result<(), StoreError> {
        let sql = "INSERT INTO chains (gateway, body) VALUES (?1, ?2) ON CONFLICT (gateway) DO UPDATE SET body = ?2";
        self.run("write a chain", sql, params![gateway.as_str(), snapshot::write_chain(chain)?]).map(drop)
    }

    fn put_order(&mut self, order: &WorkOrder) -> Result<(), StoreError> {
        let sql = "INSERT INTO work_orders
            (id, gateway, state, priority, claimed, opened_at_ms, updated_at_ms, ver, body)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO UPDATE SET
            state = ?3, priority = ?4, claimed = ?5, updated_at_ms = ?7, ver = ?8, body = ?9";
        let values = params![
            order.id.as_str(),
            order.gateway.as_str(),
            state_name(order.state),
            order.priority,
            order.owner.is_some(),
            order.opened_at_ms,
            order.updated_at_ms,
            order.ver.cast_signed(),
            snapshot::write_order(order)?,
        ];
        self.run("write an order", sql, values).map(drop)
    }

    fn append_timeline(&mut self, row: &TimelineRow) -> Result<(), StoreError> {
        let sql = "INSERT INTO timeline (work_order, n, at_ms, occurred_at_ms, source, operator, what, detail)
            SELECT ?1, coalesce(max(n), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7 FROM timeline WHERE work_order = ?1";
        let detail = to_json("timeline entry", &row.detail)?;
        let values = params![row.order.as_str(), row.at_ms, row.occurred_at_ms, row.source, row.by, row.what, detail];
        self.run("append to a timeline", sql, values).map(drop)
    }

    fn append_feed(&mut self, item: NewFeedItem) -> Result<FeedItem, StoreError> {
        let sql = "INSERT INTO feed (kind, subject, time_ms, test, data) VALUES (?1, ?2, ?3, ?4, ?5)";
        let data = to_json("feed item", &item.data)?;
        self.run("append to the feed", sql, params![item.kind, item.subject, item.time_ms, item.test, data])?;
        let feedseq = self.connection.last_insert_rowid().unsigned_abs();
        Ok(FeedItem { feedseq, id: rows::event_id(&self.identity, feedseq), item })
    }

    fn put_visit(&mut self, gateway: &GatewayId, visit: &VisitRow) -> Result<(), StoreError> {
        let sql = "INSERT INTO visits (gateway, incarnation, seq, received_at_ms, occurred_at_ms, work_order, body)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
        let values = params![
            gateway.as_str(),
            visit.key.incarnation.0.cast_signed(),
            visit.key.seq.cast_signed(),
            visit.received_at_ms,
            visit.occurred_at_ms,
            visit.work_order.as_ref().map(WorkOrderId::as_str),
            to_json("visit", &visit.visit)?,
        ];
        self.run("write a visit", sql, values).map(drop)
    }

    fn put_saved(&mut self, saved: &SavedAnswer) -> Result<(), StoreError> {
        let sql = "INSERT INTO saved_answers (operator, key, asked, at_ms, body) VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (operator, key) DO UPDATE SET asked = ?3, at_ms = ?4, body = ?5";
        let values = params![saved.by, saved.key, saved.asked.0, saved.at_ms, snapshot::write_order(&saved.order)?];
        self.run("keep an answer", sql, values).map(drop)
    }

    fn probe(&mut self, now_ms: i64) -> Result<(), StoreError> {
        let sql = "INSERT INTO meta VALUES ('probe', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1";
        self.run("write a probe", sql, params![now_ms.to_le_bytes()]).map(drop)
    }

    fn prune(&mut self, now_ms: i64) -> Result<(), StoreError> {
        self.run("prune the feed", "DELETE FROM feed WHERE time_ms < ?1", params![now_ms - FEED_KEPT_MS])?;
        let before = now_ms - SAVED_KEPT_MS;
        self.run("prune saved answers", "DELETE FROM saved_answers WHERE at_ms < ?1", params![before]).map(drop)
    }

    fn tidy(&mut self) -> Result<(), StoreError> {
        if self.commits_in_log < LOG_COMMITS {
            return Ok(());
        }
        self.commits_in_log = 0;
        let what = "move its log into the database";
        self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).map_err(failed(what))
    }
}
