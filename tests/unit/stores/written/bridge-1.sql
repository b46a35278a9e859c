-- A bridge's store as version 1 wrote it (commit 1361bb6), with rows in every table. Never edited: made by that version.
BEGIN TRANSACTION;
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
INSERT INTO "accounts" VALUES('native_id of alice','handle of alice','name of alice','kind of alice',1,'key of alice','person of alice','told of alice');
INSERT INTO "accounts" VALUES('native_id of bob','handle of bob','name of bob','kind of bob',2,'key of bob','person of bob','told of bob');
INSERT INTO "accounts" VALUES('native_id of carla','handle of carla','name of carla','kind of carla',3000,'key of carla','person of carla','told of carla');
CREATE TABLE adoptions (
    ghost  TEXT PRIMARY KEY,
    handle TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "adoptions" VALUES('ghost of alice','handle of alice');
INSERT INTO "adoptions" VALUES('ghost of bob','handle of bob');
INSERT INTO "adoptions" VALUES('ghost of carla','handle of carla');
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
INSERT INTO "legs" VALUES(1,'lane of alice','event_id of alice','act of alice','source of alice','conversation of alice',1,1,X'6C6567732E7061796C6F6164206F6620616C696365',1);
INSERT INTO "legs" VALUES(2,'lane of bob','event_id of bob','act of bob','source of bob','conversation of bob',2,2,X'6C6567732E7061796C6F6164206F6620626F62',2);
INSERT INTO "legs" VALUES(3000,'lane of carla','event_id of carla','act of carla','source of carla','conversation of carla',3000,3000,X'6C6567732E7061796C6F6164206F66206361726C61',3000);
CREATE TABLE markers (
    conversation TEXT NOT NULL,
    reader       TEXT NOT NULL,
    status       TEXT NOT NULL,
    position     INTEGER NOT NULL,
    PRIMARY KEY (conversation, reader, status)
) STRICT, WITHOUT ROWID;
INSERT INTO "markers" VALUES('conversation of alice','reader of alice','status of alice',1);
INSERT INTO "markers" VALUES('conversation of bob','reader of bob','status of bob',2);
INSERT INTO "markers" VALUES('conversation of carla','reader of carla','status of carla',3000);
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
INSERT INTO "messages" VALUES('native_id of alice','event_id of alice',1,'conversation of alice',1,1,'thread of alice','author of alice',1,'source of alice');
INSERT INTO "messages" VALUES('native_id of bob','event_id of bob',2,'conversation of bob',2,2,'thread of bob','author of bob',2,'source of bob');
INSERT INTO "messages" VALUES('native_id of carla','event_id of carla',3000,'conversation of carla',3000,3000,'thread of carla','author of carla',3000,'source of carla');
CREATE TABLE orders (
    native_id TEXT PRIMARY KEY,
    rank      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "orders" VALUES('native_id of alice',1);
INSERT INTO "orders" VALUES('native_id of bob',2);
INSERT INTO "orders" VALUES('native_id of carla',3000);
CREATE TABLE outbox (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id  TEXT NOT NULL UNIQUE,
    subject   TEXT NOT NULL,
    partition INTEGER NOT NULL,
    payload   BLOB NOT NULL,
    floor     INTEGER NOT NULL,
    sequence  INTEGER
) STRICT;
INSERT INTO "outbox" VALUES(1,'event_id of alice','subject of alice',1,X'6F7574626F782E7061796C6F6164206F6620616C696365',1,1);
INSERT INTO "outbox" VALUES(2,'event_id of bob','subject of bob',2,X'6F7574626F782E7061796C6F6164206F6620626F62',2,2);
INSERT INTO "outbox" VALUES(3000,'event_id of carla','subject of carla',3000,X'6F7574626F782E7061796C6F6164206F66206361726C61',3000,3000);
CREATE TABLE parked_receipts (
    native_id TEXT NOT NULL,
    reader    TEXT NOT NULL,
    status    TEXT NOT NULL,
    up_to     INTEGER NOT NULL,
    PRIMARY KEY (native_id, reader, status, up_to)
) STRICT, WITHOUT ROWID;
INSERT INTO "parked_receipts" VALUES('native_id of alice','reader of alice','status of alice',1);
INSERT INTO "parked_receipts" VALUES('native_id of bob','reader of bob','status of bob',2);
INSERT INTO "parked_receipts" VALUES('native_id of carla','reader of carla','status of carla',3000);
CREATE TABLE results (
    id        INTEGER PRIMARY KEY,
    partition INTEGER NOT NULL,
    payload   BLOB NOT NULL
) STRICT;
INSERT INTO "results" VALUES(1,1,X'726573756C74732E7061796C6F6164206F6620616C696365');
INSERT INTO "results" VALUES(2,2,X'726573756C74732E7061796C6F6164206F6620626F62');
INSERT INTO "results" VALUES(3000,3000,X'726573756C74732E7061796C6F6164206F66206361726C61');
CREATE TABLE state (
    key   TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "state" VALUES('key of alice',1);
INSERT INTO "state" VALUES('key of bob',2);
INSERT INTO "state" VALUES('key of carla',3000);
CREATE TABLE watermarks (
    thread TEXT NOT NULL,
    reader TEXT NOT NULL,
    status TEXT NOT NULL,
    at_ms  INTEGER NOT NULL,
    rank   INTEGER NOT NULL,
    PRIMARY KEY (thread, reader, status)
) STRICT, WITHOUT ROWID;
INSERT INTO "watermarks" VALUES('thread of alice','reader of alice','status of alice',1,1);
INSERT INTO "watermarks" VALUES('thread of bob','reader of bob','status of bob',2,2);
INSERT INTO "watermarks" VALUES('thread of carla','reader of carla','status of carla',3000,3000);
CREATE INDEX accounts_by_handle ON accounts (handle);
CREATE INDEX accounts_by_person ON accounts (person) WHERE person <> '';
CREATE INDEX messages_by_place ON messages (conversation, thread, position, part);
CREATE INDEX messages_by_time ON messages (thread, author, at_ms);
CREATE INDEX messages_by_rank ON messages (thread, author, rank);
CREATE INDEX outbox_pending ON outbox (id) WHERE sequence IS NULL;
CREATE INDEX outbox_published ON outbox (partition, sequence) WHERE sequence IS NOT NULL;
CREATE INDEX legs_by_event ON legs (event_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('outbox',3000);
INSERT INTO "sqlite_sequence" VALUES('legs',3000);
COMMIT;
PRAGMA user_version = 1;
