-- The identity of this database, and the row that a health probe writes.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Every record of every home, by its identity; never changed, never replaced.
CREATE TABLE records (
    gateway        TEXT    NOT NULL,
    incarnation    INTEGER NOT NULL,
    seq            INTEGER NOT NULL,
    hash           BLOB    NOT NULL,
    received_at_ms INTEGER NOT NULL,
    verified       INTEGER NOT NULL,
    body           TEXT    NOT NULL,
    PRIMARY KEY (gateway, incarnation, seq)
) STRICT, WITHOUT ROWID;

-- One row a home: its aggregate as a versioned snapshot, and when it wants to be woken.
CREATE TABLE homes (
    gateway  TEXT PRIMARY KEY,
    snapshot TEXT    NOT NULL,
    ver      INTEGER NOT NULL,
    next_due INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX homes_by_due ON homes (next_due) WHERE next_due IS NOT NULL;

CREATE TABLE work_orders (
    id            TEXT PRIMARY KEY,
    gateway       TEXT    NOT NULL,
    state         TEXT    NOT NULL,
    priority      INTEGER NOT NULL,
    claimed       INTEGER NOT NULL,
    opened_at_ms  INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    ver           INTEGER NOT NULL,
    body          TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX work_orders_waiting ON work_orders (priority, claimed, opened_at_ms) WHERE state <> 'closed';
CREATE INDEX work_orders_closed ON work_orders (updated_at_ms) WHERE state = 'closed';

-- Append-only; kept by order, so that a line costs one page.
CREATE TABLE timeline (
    work_order     TEXT    NOT NULL,
    n              INTEGER NOT NULL,
    at_ms          INTEGER NOT NULL,
    occurred_at_ms INTEGER,
    source         TEXT    NOT NULL,
    operator       TEXT,
    what           TEXT    NOT NULL,
    detail         TEXT    NOT NULL,
    PRIMARY KEY (work_order, n)
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: a place is never given twice, even after everything was pruned.
CREATE TABLE feed (
    feedseq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    time_ms INTEGER NOT NULL,
    test    INTEGER NOT NULL,
    data    TEXT    NOT NULL
) STRICT;

CREATE TABLE visits (
    gateway        TEXT    NOT NULL,
    incarnation    INTEGER NOT NULL,
    seq            INTEGER NOT NULL,
    received_at_ms INTEGER NOT NULL,
    occurred_at_ms INTEGER NOT NULL,
    work_order     TEXT,
    body           TEXT    NOT NULL,
    PRIMARY KEY (gateway, incarnation, seq)
) STRICT, WITHOUT ROWID;

-- Answers to commands, so that a repeated request gets the same one.
CREATE TABLE saved_answers (
    operator TEXT    NOT NULL,
    key      TEXT    NOT NULL,
    asked    BLOB    NOT NULL,
    at_ms    INTEGER NOT NULL,
    body     TEXT    NOT NULL,
    PRIMARY KEY (operator, key)
) STRICT, WITHOUT ROWID;
