-- Everything a bridge keeps. All of it but `outbox` can be rebuilt from the log and the rail.

-- Accounts of this rail. Ghosts: `person` is whom they stand for today, `key` what they were made with at the rail, `told` what the
-- rail was last told of them. Others: `told` is the name that was last published (empty: never), and `person` (mostly empty) the
-- person whose ghost this account has taken over: legs decided before that name them without it.
CREATE TABLE accounts (
    native_id TEXT PRIMARY KEY,
    handle    TEXT NOT NULL,
    name      TEXT NOT NULL,
    kind      TEXT NOT NULL,
    federated INTEGER NOT NULL,
    key       TEXT NOT NULL DEFAULT '',
    person    TEXT NOT NULL DEFAULT '',
    told      TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX accounts_by_handle ON accounts (handle);
CREATE INDEX accounts_by_person ON accounts (person) WHERE person <> '';

-- Native messages and the events they stand for: one event may have several parts, each a native message.
-- `position` and `rank` come with the log: NULL until then, 0 for what the router refused.
CREATE TABLE messages (
    native_id    TEXT PRIMARY KEY,
    event_id     TEXT NOT NULL,
    part         INTEGER NOT NULL,
    conversation TEXT NOT NULL,
    position     INTEGER,
    rank         INTEGER,
    thread       TEXT NOT NULL,
    author       TEXT NOT NULL,
    at_ms        INTEGER NOT NULL,
    source       TEXT NOT NULL,
    UNIQUE (event_id, part)
) STRICT, WITHOUT ROWID;
CREATE INDEX messages_by_place ON messages (conversation, thread, position, part);
CREATE INDEX messages_by_time ON messages (thread, author, at_ms);
CREATE INDEX messages_by_rank ON messages (thread, author, rank);

-- Events on their way to the bus, published in the order of `id`. `sequence`: where the stream has it (NULL: not known to
-- be there). `floor`: a sequence of the stream that this row certainly comes after.
CREATE TABLE outbox (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id  TEXT NOT NULL UNIQUE,
    subject   TEXT NOT NULL,
    partition INTEGER NOT NULL,
    payload   BLOB NOT NULL,
    floor     INTEGER NOT NULL,
    sequence  INTEGER
) STRICT;
CREATE INDEX outbox_pending ON outbox (id) WHERE sequence IS NULL;
CREATE INDEX outbox_published ON outbox (partition, sequence) WHERE sequence IS NOT NULL;

-- Acts to be done on the rail, in the log's order; a lane is done one by one.
CREATE TABLE legs (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    lane         TEXT NOT NULL,
    event_id     TEXT NOT NULL,
    act          TEXT NOT NULL,
    source       TEXT NOT NULL,
    conversation TEXT NOT NULL,
    position     INTEGER NOT NULL,
    rank         INTEGER NOT NULL,
    payload      BLOB NOT NULL,
    taken_at_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX legs_by_event ON legs (event_id);

-- Receipts for messages whose position is not known yet. Those about messages not known at all are forgotten at `until_ms`.
CREATE TABLE parked_receipts (
    native_id TEXT NOT NULL,
    reader    TEXT NOT NULL,
    status    TEXT NOT NULL,
    up_to     INTEGER NOT NULL,
    until_ms  INTEGER NOT NULL,
    PRIMARY KEY (native_id, reader, status, up_to)
) STRICT, WITHOUT ROWID;

-- How far a reader's watermarks have got in a thread, by the rail's time and by rank.
CREATE TABLE watermarks (
    thread TEXT NOT NULL,
    reader TEXT NOT NULL,
    status TEXT NOT NULL,
    at_ms  INTEGER NOT NULL,
    rank   INTEGER NOT NULL,
    PRIMARY KEY (thread, reader, status)
) STRICT, WITHOUT ROWID;

-- The furthest position published for a reader: what tells nothing new is not published again. Status `heard`: another rail has
-- told of it.
CREATE TABLE markers (
    conversation TEXT NOT NULL,
    reader       TEXT NOT NULL,
    status       TEXT NOT NULL,
    position     INTEGER NOT NULL,
    PRIMARY KEY (conversation, reader, status)
) STRICT, WITHOUT ROWID;

-- Leg results that wait to be published together.
CREATE TABLE results (
    id        INTEGER PRIMARY KEY,
    partition INTEGER NOT NULL,
    payload   BLOB NOT NULL
) STRICT;

-- Ranks that the rail has to be told.
CREATE TABLE orders (
    native_id TEXT PRIMARY KEY,
    rank      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- cursor: the last log sequence read. floor: an ingress sequence that is certainly there. dead: how many were given up.
CREATE TABLE state (
    key   TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Ghosts whose person has turned out to have an account here, until that has taken over what is theirs.
CREATE TABLE adoptions (
    ghost  TEXT PRIMARY KEY,
    handle TEXT NOT NULL
) STRICT, WITHOUT ROWID;
