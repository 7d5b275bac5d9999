-- One row a home: how far the chain of its journal is known, as a versioned snapshot.
CREATE TABLE chains (
    gateway TEXT PRIMARY KEY,
    body    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
