-- A rail's store as version 3 wrote it (commit 88821c8), with rows in every table. Never edited: made by that version.
BEGIN TRANSACTION;
CREATE TABLE "accounts" (
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
INSERT INTO "accounts" VALUES(1,'id of alice','handle of alice','second_id of alice','name of alice','person',1,'ghost_key of alice',1);
INSERT INTO "accounts" VALUES(2,'id of bob','handle of bob','second_id of bob','name of bob','business',2,'ghost_key of bob',2);
INSERT INTO "accounts" VALUES(3000,'id of carla','handle of carla','second_id of carla','name of carla','ghost',3000,'ghost_key of carla',3000);
CREATE TABLE aliases (
    handle     TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id)
) WITHOUT ROWID;
INSERT INTO "aliases" VALUES('handle of alice','id of alice');
INSERT INTO "aliases" VALUES('handle of bob','id of bob');
INSERT INTO "aliases" VALUES('handle of carla','id of carla');
CREATE TABLE blocks (
    blocker_id TEXT NOT NULL REFERENCES accounts (id),
    blocked_id TEXT NOT NULL REFERENCES accounts (id),
    PRIMARY KEY (blocker_id, blocked_id)
) WITHOUT ROWID;
INSERT INTO "blocks" VALUES('id of alice','id of alice');
INSERT INTO "blocks" VALUES('id of bob','id of bob');
INSERT INTO "blocks" VALUES('id of carla','id of carla');
CREATE TABLE group_bans (
    group_id   TEXT NOT NULL REFERENCES groups (id),
    account_id TEXT NOT NULL REFERENCES accounts (id),
    PRIMARY KEY (group_id, account_id)
) WITHOUT ROWID;
INSERT INTO "group_bans" VALUES('id of alice','id of alice');
INSERT INTO "group_bans" VALUES('id of bob','id of bob');
INSERT INTO "group_bans" VALUES('id of carla','id of carla');
CREATE TABLE group_marks (
    group_id   TEXT NOT NULL REFERENCES groups (id),
    account_id TEXT NOT NULL REFERENCES accounts (id),
    rank       INTEGER NOT NULL,
    arrival    INTEGER NOT NULL,
    shown      INTEGER NOT NULL,                           -- whether the others are told
    PRIMARY KEY (group_id, account_id)
) WITHOUT ROWID;
INSERT INTO "group_marks" VALUES('id of alice','id of alice',1,1,1);
INSERT INTO "group_marks" VALUES('id of bob','id of bob',2,2,2);
INSERT INTO "group_marks" VALUES('id of carla','id of carla',3000,3000,3000);
CREATE TABLE group_stays (
    group_id   TEXT NOT NULL REFERENCES groups (id),
    account_id TEXT NOT NULL REFERENCES accounts (id),
    since      INTEGER NOT NULL,
    until      INTEGER,
    role       TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    PRIMARY KEY (group_id, account_id, since)
);
INSERT INTO "group_stays" VALUES('id of alice','id of alice',1,1,'owner');
INSERT INTO "group_stays" VALUES('id of bob','id of bob',2,2,'admin');
INSERT INTO "group_stays" VALUES('id of carla','id of carla',3000,3000,'member');
CREATE TABLE groups (
    id         TEXT PRIMARY KEY REFERENCES accounts (id),  -- also its thread's id
    key        TEXT UNIQUE,                                -- what the federation partner calls it
    until_ms   INTEGER NOT NULL DEFAULT 0,                 -- when it ends; 0: it stays
    closed     INTEGER NOT NULL DEFAULT 0,
    number     INTEGER NOT NULL DEFAULT 0                  -- rises with every change by people
) WITHOUT ROWID;
INSERT INTO "groups" VALUES('id of alice','key of alice',1,1,1);
INSERT INTO "groups" VALUES('id of bob','key of bob',2,2,2);
INSERT INTO "groups" VALUES('id of carla','key of carla',3000,3000,3000);
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
INSERT INTO "media" VALUES('media_id of alice','sha256 of alice','kind of alice','mime of alice',1,'name of alice',1,'owner_id of alice',1);
INSERT INTO "media" VALUES('media_id of bob','sha256 of bob','kind of bob','mime of bob',2,'name of bob',2,'owner_id of bob',2);
INSERT INTO "media" VALUES('media_id of carla','sha256 of carla','kind of carla','mime of carla',3000,'name of carla',3000,'owner_id of carla',3000);
CREATE TABLE media_doubtful (
    sha256 TEXT PRIMARY KEY,
    due_ms INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "media_doubtful" VALUES('sha256 of alice',1);
INSERT INTO "media_doubtful" VALUES('sha256 of bob',2);
INSERT INTO "media_doubtful" VALUES('sha256 of carla',3000);
CREATE TABLE media_shown (
    media_id TEXT NOT NULL,
    arrival  INTEGER NOT NULL,
    PRIMARY KEY (media_id, arrival)
) WITHOUT ROWID;
INSERT INTO "media_shown" VALUES('media_id of alice',1);
INSERT INTO "media_shown" VALUES('media_id of bob',2);
INSERT INTO "media_shown" VALUES('media_id of carla',3000);
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
, details TEXT);
INSERT INTO "messages" VALUES(1,'native_id of alice','id of alice','id of alice','id of alice','text of alice',1,1,1,1,1,'error_code of alice','error_message of alice','reply_to of alice','opaque of alice','details of alice');
INSERT INTO "messages" VALUES(2,'native_id of bob','id of bob','id of bob','id of bob','text of bob',2,2,2,2,2,'error_code of bob','error_message of bob','reply_to of bob','opaque of bob','details of bob');
INSERT INTO "messages" VALUES(3000,'native_id of carla','id of carla','id of carla','id of carla','text of carla',3000,3000,3000,3000,3000,'error_code of carla','error_message of carla','reply_to of carla','opaque of carla','details of carla');
CREATE TABLE nodes (
    account_id   TEXT PRIMARY KEY REFERENCES accounts (id),
    app_id       TEXT NOT NULL UNIQUE,
    token_hash   BLOB NOT NULL UNIQUE,
    app_secret   TEXT NOT NULL,
    verify_token TEXT NOT NULL,
    webhook_url  TEXT,
    profile      TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID;
INSERT INTO "nodes" VALUES('id of alice','app_id of alice',X'6E6F6465732E746F6B656E5F68617368206F6620616C696365','app_secret of alice','verify_token of alice','webhook_url of alice','profile of alice');
INSERT INTO "nodes" VALUES('id of bob','app_id of bob',X'6E6F6465732E746F6B656E5F68617368206F6620626F62','app_secret of bob','verify_token of bob','webhook_url of bob','profile of bob');
INSERT INTO "nodes" VALUES('id of carla','app_id of carla',X'6E6F6465732E746F6B656E5F68617368206F66206361726C61','app_secret of carla','verify_token of carla','webhook_url of carla','profile of carla');
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
INSERT INTO "outbox" VALUES(1,'target of alice','object of alice','entry of alice','delivers of alice',1,1,1);
INSERT INTO "outbox" VALUES(2,'target of bob','object of bob','entry of bob','delivers of bob',2,2,2);
INSERT INTO "outbox" VALUES(3000,'target of carla','object of carla','entry of carla','delivers of carla',3000,3000,3000);
CREATE TABLE post_keys (
    node_id   TEXT NOT NULL,
    realm     TEXT NOT NULL CHECK (realm IN ('partner', 'client')),
    key       TEXT NOT NULL,
    native_id TEXT NOT NULL,
    at_ms     INTEGER NOT NULL,
    PRIMARY KEY (node_id, realm, key)
) WITHOUT ROWID;
INSERT INTO "post_keys" VALUES('node_id of alice','partner','key of alice','native_id of alice',1);
INSERT INTO "post_keys" VALUES('node_id of bob','client','key of bob','native_id of bob',2);
INSERT INTO "post_keys" VALUES('node_id of carla','partner','key of carla','native_id of carla',3000);
CREATE TABLE schema_version (version INTEGER NOT NULL);
INSERT INTO "schema_version" VALUES(3);
CREATE TABLE sessions (
    token_hash    BLOB PRIMARY KEY,
    account_id    TEXT NOT NULL REFERENCES accounts (id),
    created_at_ms INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "sessions" VALUES(X'73657373696F6E732E746F6B656E5F68617368206F6620616C696365','id of alice',1);
INSERT INTO "sessions" VALUES(X'73657373696F6E732E746F6B656E5F68617368206F6620626F62','id of bob',2);
INSERT INTO "sessions" VALUES(X'73657373696F6E732E746F6B656E5F68617368206F66206361726C61','id of carla',3000);
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "settings" VALUES('key of alice','value of alice');
INSERT INTO "settings" VALUES('key of bob','value of bob');
INSERT INTO "settings" VALUES('key of carla','value of carla');
CREATE TABLE thread_members (
    account_id TEXT NOT NULL REFERENCES accounts (id),
    thread_id  TEXT NOT NULL REFERENCES threads (id),
    PRIMARY KEY (account_id, thread_id)
) WITHOUT ROWID;
INSERT INTO "thread_members" VALUES('id of alice','id of alice');
INSERT INTO "thread_members" VALUES('id of bob','id of bob');
INSERT INTO "thread_members" VALUES('id of carla','id of carla');
CREATE TABLE threads (
    id         TEXT PRIMARY KEY,
    kind       TEXT NOT NULL CHECK (kind IN ('direct', 'group')),
    last_rank  INTEGER NOT NULL DEFAULT 0,
    last_at_ms INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
INSERT INTO "threads" VALUES('id of alice','direct',1,1);
INSERT INTO "threads" VALUES('id of bob','group',2,2);
INSERT INTO "threads" VALUES('id of carla','direct',3000,3000);
CREATE INDEX aliases_of_account ON aliases (account_id);
CREATE INDEX members_of_thread ON thread_members (thread_id);
CREATE INDEX messages_in_view ON messages (thread_id, rank, arrival);
CREATE INDEX messages_unread ON messages (recipient_id, thread_id) WHERE read_at_ms IS NULL;
CREATE INDEX messages_undelivered ON messages (recipient_id, thread_id) WHERE status = 0;
CREATE INDEX outbox_of_target ON outbox (target, id);
CREATE INDEX media_of_file ON media (sha256);
CREATE INDEX media_by_age ON media (at_ms);
CREATE INDEX shown_by_message ON media_shown (arrival);
CREATE INDEX doubtful_by_due ON media_doubtful (due_ms);
CREATE INDEX stays_of_account ON group_stays (account_id, group_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('accounts',3000);
INSERT INTO "sqlite_sequence" VALUES('messages',3000);
INSERT INTO "sqlite_sequence" VALUES('outbox',3000);
COMMIT;
