-- The store of one rail, schema version 1. Later versions: migrations.py.

CREATE TABLE schema_version (version INTEGER NOT NULL);
INSERT INTO schema_version VALUES (1);

CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE accounts (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    id            TEXT NOT NULL UNIQUE,
    handle        TEXT NOT NULL UNIQUE,
    second_id     TEXT UNIQUE,
    name          TEXT NOT NULL,
    kind          TEXT NOT NULL CHECK (kind IN ('person', 'business', 'ghost')),
    federated     INTEGER NOT NULL,
    ghost_key     TEXT UNIQUE,
    created_at_ms INTEGER NOT NULL
);

-- Further handles of a ghost's person.
CREATE TABLE aliases (
    handle     TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id)
) WITHOUT ROWID;
CREATE INDEX aliases_of_account ON aliases (account_id);

-- Session tokens are kept as SHA-256: who reads the file cannot act with them.
CREATE TABLE sessions (
    token_hash    BLOB PRIMARY KEY,
    account_id    TEXT NOT NULL REFERENCES accounts (id),
    created_at_ms INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE nodes (
    account_id   TEXT PRIMARY KEY REFERENCES accounts (id),
    app_id       TEXT NOT NULL UNIQUE,
    token_hash   BLOB NOT NULL UNIQUE,
    app_secret   TEXT NOT NULL,
    verify_token TEXT NOT NULL,
    webhook_url  TEXT,
    profile      TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID;

CREATE TABLE blocks (
    blocker_id TEXT NOT NULL REFERENCES accounts (id),
    blocked_id TEXT NOT NULL REFERENCES accounts (id),
    PRIMARY KEY (blocker_id, blocked_id)
) WITHOUT ROWID;

CREATE TABLE threads (
    id         TEXT PRIMARY KEY,
    kind       TEXT NOT NULL CHECK (kind IN ('direct', 'group')),
    last_rank  INTEGER NOT NULL DEFAULT 0,
    last_at_ms INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE thread_members (
    account_id TEXT NOT NULL REFERENCES accounts (id),
    thread_id  TEXT NOT NULL REFERENCES threads (id),
    PRIMARY KEY (account_id, thread_id)
) WITHOUT ROWID;
CREATE INDEX members_of_thread ON thread_members (thread_id);

CREATE TABLE messages (
    arrival       INTEGER PRIMARY KEY AUTOINCREMENT,
    native_id     TEXT NOT NULL UNIQUE,
    thread_id     TEXT NOT NULL REFERENCES threads (id),
    sender_id     TEXT NOT NULL REFERENCES accounts (id),
    recipient_id  TEXT NOT NULL REFERENCES accounts (id),
    text          TEXT NOT NULL,
    at_ms         INTEGER NOT NULL,           -- the rail's clock: later in a thread is larger
    sent_at_ms    INTEGER NOT NULL,           -- what is shown
    rank          INTEGER NOT NULL,
    status        INTEGER NOT NULL DEFAULT 0, -- model.Status, as shown to the sender
    read_at_ms    INTEGER,                    -- by the recipient, shown to the sender or not
    error_code    TEXT,
    error_message TEXT,
    reply_to      TEXT,
    opaque        TEXT
);
CREATE INDEX messages_in_view ON messages (thread_id, rank, arrival);
CREATE INDEX messages_unread ON messages (recipient_id, thread_id) WHERE read_at_ms IS NULL;
CREATE INDEX messages_undelivered ON messages (recipient_id, thread_id) WHERE status = 0;

-- The same key from the same node makes the same message: Idempotency-Key of the partner, client_key of people's apps.
CREATE TABLE post_keys (
    node_id   TEXT NOT NULL,
    realm     TEXT NOT NULL CHECK (realm IN ('partner', 'client')),
    key       TEXT NOT NULL,
    native_id TEXT NOT NULL,
    at_ms     INTEGER NOT NULL,
    PRIMARY KEY (node_id, realm, key)
) WITHOUT ROWID;

-- Webhooks not yet taken by their receiver. target: '' is the federation partner, else a business's account id.
CREATE TABLE outbox (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    target    TEXT NOT NULL,
    object    TEXT NOT NULL,
    entry     TEXT NOT NULL,                -- one element of "entry", ASCII JSON
    delivers  TEXT,                         -- the message that this hands to a business
    attempts  INTEGER NOT NULL DEFAULT 0,
    next_at_ms INTEGER NOT NULL DEFAULT 0,
    created_at_ms INTEGER NOT NULL
);
CREATE INDEX outbox_of_target ON outbox (target, id);
