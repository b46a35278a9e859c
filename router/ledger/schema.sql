-- Everything the ledger keeps. All of it is made from the log, and can be made again.

-- Messages, and what could not be read at all (outcome 'parked'). `rank`: the entry's place in the log. seats, legs: as on the log;
-- unreached: msgpack, handle -> why.
CREATE TABLE messages (
    rank           INTEGER PRIMARY KEY,
    event_id       TEXT NOT NULL UNIQUE,
    conversation   TEXT NOT NULL,
    position       INTEGER NOT NULL,
    source         TEXT NOT NULL,
    writer         TEXT NOT NULL,
    actor          TEXT,
    outcome        TEXT NOT NULL,
    why            TEXT NOT NULL,
    shape          TEXT NOT NULL,
    native_id      TEXT NOT NULL,
    reply_to       TEXT NOT NULL,
    accepted_at_ms INTEGER NOT NULL,
    routed_at_ms   INTEGER NOT NULL,
    seats          BLOB NOT NULL,
    legs           BLOB NOT NULL,
    unreached      BLOB NOT NULL
) STRICT;
CREATE INDEX messages_by_place ON messages (conversation, position);
CREATE INDEX messages_lost ON messages (rank) WHERE unreached <> x'80' OR outcome <> 'routed';

-- What any rail calls an event.
CREATE TABLE native_ids (
    native_id TEXT NOT NULL,
    event_id  TEXT NOT NULL,
    PRIMARY KEY (native_id, event_id)
) STRICT, WITHOUT ROWID;

-- What rails say of legs; the one of highest rank holds. `native_ids`, `lost`: msgpack arrays.
CREATE TABLE results (
    event_id   TEXT NOT NULL,
    rail       TEXT NOT NULL,
    rank       INTEGER NOT NULL,
    status     TEXT NOT NULL,
    origin     TEXT NOT NULL,
    native_ids BLOB NOT NULL,
    attempts   INTEGER NOT NULL,
    at_ms      INTEGER NOT NULL,
    told_at_ms INTEGER NOT NULL,
    why        TEXT NOT NULL,
    lost       BLOB NOT NULL,
    PRIMARY KEY (event_id, rail, rank)
) STRICT, WITHOUT ROWID;
CREATE INDEX results_lost ON results (rank) WHERE status <> 'posted' OR lost <> x'90';

-- When messages go, as was decided last. at_ms 0: it waits to be read.
CREATE TABLE ends (
    message      TEXT PRIMARY KEY,
    rank         INTEGER NOT NULL,
    at_ms        INTEGER NOT NULL,
    after_read_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Edits, unsends, reactions, votes and ends. `detail`: msgpack.
CREATE TABLE changes (
    rank         INTEGER PRIMARY KEY,
    event_id     TEXT NOT NULL UNIQUE,
    target       TEXT NOT NULL,
    kind         TEXT NOT NULL,
    source       TEXT NOT NULL,
    by           TEXT NOT NULL,
    actor        TEXT,
    outcome      TEXT NOT NULL,
    why          TEXT NOT NULL,
    at_ms        INTEGER NOT NULL,
    routed_at_ms INTEGER NOT NULL,
    legs         BLOB NOT NULL,
    unreached    BLOB NOT NULL,
    detail       BLOB NOT NULL
) STRICT;
CREATE INDEX changes_by_target ON changes (target, rank);

-- Who had got how far, when, and on which rail.
CREATE TABLE receipts (
    conversation TEXT NOT NULL,
    person       TEXT NOT NULL,
    status       TEXT NOT NULL,
    rail         TEXT NOT NULL,
    position     INTEGER NOT NULL,
    rank         INTEGER NOT NULL,
    at_ms        INTEGER NOT NULL,
    PRIMARY KEY (conversation, person, status, rail, position, rank)
) STRICT, WITHOUT ROWID;

-- How far somebody has got, told by which rail.
CREATE TABLE reach (
    conversation TEXT NOT NULL,
    person       TEXT NOT NULL,
    status       TEXT NOT NULL,
    rail         TEXT NOT NULL,
    position     INTEGER NOT NULL,
    rank         INTEGER NOT NULL,
    at_ms        INTEGER NOT NULL,
    PRIMARY KEY (conversation, person, status, rail)
) STRICT, WITHOUT ROWID;

-- Whose account is whose, as it was last said. `gone_to`: the person this one turned out to be.
CREATE TABLE people (
    person  TEXT PRIMARY KEY,
    name    TEXT NOT NULL,
    gone_to TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX people_gone ON people (gone_to) WHERE gone_to IS NOT NULL;
CREATE TABLE accounts (
    handle TEXT PRIMARY KEY,
    person TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX accounts_by_person ON accounts (person);

-- Who is, or was, in which conversation: from one rank on, up to another (0: still).
CREATE TABLE members (
    person       TEXT NOT NULL,
    conversation TEXT NOT NULL,
    since_rank   INTEGER NOT NULL,
    until_rank   INTEGER NOT NULL,
    PRIMARY KEY (person, conversation, since_rank)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_conversation ON members (conversation);

-- Groups as they are now: `schemas.groups.Group`, msgpack.
CREATE TABLE groups (
    conversation TEXT PRIMARY KEY,
    state        BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- What can be searched for, as it is after edits; rowid is the message's rank. Empty where ledger.search is off.
CREATE VIRTUAL TABLE words USING fts5 (body, tokenize = "unicode61 remove_diacritics 2");

-- cursor: the last log sequence taken in. Also which log it is, and how it was read.
CREATE TABLE state (
    key   TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;
