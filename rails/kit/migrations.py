"""How a store of an earlier version becomes one of this: version -> SQL. A new store runs schema.sql and then these."""

MIGRATIONS: dict[int, str] = {
    # Content, edits, reactions and votes: one column that plain texts leave empty; files beside.
    2: """
ALTER TABLE messages ADD COLUMN details TEXT;          -- content.Details as JSON; NULL: a plain text, untouched

CREATE TABLE media (
    media_id   TEXT PRIMARY KEY,
    sha256     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    mime       TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    name       TEXT NOT NULL,
    animated   INTEGER NOT NULL,
    owner_id   TEXT NOT NULL,
    at_ms      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX media_of_file ON media (sha256);
CREATE INDEX media_by_age ON media (at_ms);

-- Which messages show it: who is in their threads may fetch it.
CREATE TABLE media_shown (
    media_id TEXT NOT NULL,
    arrival  INTEGER NOT NULL,
    PRIMARY KEY (media_id, arrival)
) WITHOUT ROWID;
CREATE INDEX shown_by_message ON media_shown (arrival);

-- Files that perhaps nobody needs any more: looked at when due.
CREATE TABLE media_doubtful (
    sha256 TEXT PRIMARY KEY,
    due_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX doubtful_by_due ON media_doubtful (due_ms);
""",
    # Groups: a thread with an account of its own, so that a message to it is a message like any other.
    3: """
CREATE TABLE accounts_3 (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    id            TEXT NOT NULL UNIQUE,
    handle        TEXT NOT NULL UNIQUE,
    second_id     TEXT UNIQUE,
    name          TEXT NOT NULL,
    kind          TEXT NOT NULL CHECK (kind IN ('person', 'business', 'ghost', 'group')),
    federated     INTEGER NOT NULL,
    ghost_key     TEXT UNIQUE,
    created_at_ms INTEGER NOT NULL
);
INSERT INTO accounts_3 SELECT * FROM accounts;
DROP TABLE accounts;
ALTER TABLE accounts_3 RENAME TO accounts;

CREATE TABLE groups (
    id         TEXT PRIMARY KEY REFERENCES accounts (id),  -- also its thread's id
    key        TEXT UNIQUE,                                -- what the federation partner calls it
    until_ms   INTEGER NOT NULL DEFAULT 0,                 -- when it ends; 0: it stays
    closed     INTEGER NOT NULL DEFAULT 0,
    number     INTEGER NOT NULL DEFAULT 0                  -- rises with every change by people
) WITHOUT ROWID;

-- Somebody's stay: they see what arrived after `since` and up to `until` (NULL: they are in it).
CREATE TABLE group_stays (
    group_id   TEXT NOT NULL REFERENCES groups (id),
    account_id TEXT NOT NULL REFERENCES accounts (id),
    since      INTEGER NOT NULL,
    until      INTEGER,
    role       TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    PRIMARY KEY (group_id, account_id, since)
);
CREATE INDEX stays_of_account ON group_stays (account_id, group_id);

CREATE TABLE group_bans (
    group_id   TEXT NOT NULL REFERENCES groups (id),
    account_id TEXT NOT NULL REFERENCES accounts (id),
    PRIMARY KEY (group_id, account_id)
) WITHOUT ROWID;

-- How far each has read, by rank and arrival.
CREATE TABLE group_marks (
    group_id   TEXT NOT NULL REFERENCES groups (id),
    account_id TEXT NOT NULL REFERENCES accounts (id),
    rank       INTEGER NOT NULL,
    arrival    INTEGER NOT NULL,
    shown      INTEGER NOT NULL,                           -- whether the others are told
    PRIMARY KEY (group_id, account_id)
) WITHOUT ROWID;
""",
    4: """
-- How somebody has filed a thread, for themselves (`rails.kit.filing`).
CREATE TABLE thread_marks (
    account_id TEXT NOT NULL REFERENCES accounts (id),
    thread_id  TEXT NOT NULL,
    mark       TEXT NOT NULL CHECK (mark IN ('unread', 'muted', 'archived', 'pinned')),
    epoch      INTEGER NOT NULL,                           -- one more with every change
    stands     INTEGER NOT NULL,
    PRIMARY KEY (account_id, thread_id, mark)
) WITHOUT ROWID;
""",
    # Timers: how long what is written in a thread lasts.
    5: """
CREATE TABLE thread_timers (
    thread_id    TEXT PRIMARY KEY REFERENCES threads (id),
    after_s      INTEGER NOT NULL,                         -- after sending; 0: not for that reason
    after_read_s INTEGER NOT NULL                          -- after somebody else has first read it
) WITHOUT ROWID;
""",
    # Messages that go at a time, for rails that see to it themselves.
    6: """
CREATE INDEX messages_expiring
    ON messages (CASE WHEN json_valid(details) THEN json_extract(details, '$.expires_at_ms') END)
    WHERE CASE WHEN json_valid(details) THEN json_extract(details, '$.expires_at_ms') END IS NOT NULL;
""",
}
