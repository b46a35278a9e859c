-- What a bridge keeps of contents: which files the rail has, what waits for what, and what is shown of each message.

-- Native messages whose files have to be fetched first, and those of the same thread that came after them; in order.
CREATE TABLE held (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    native_id   TEXT NOT NULL UNIQUE,
    thread      TEXT NOT NULL,
    payload     BLOB NOT NULL,
    taken_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX held_by_thread ON held (thread, id);

-- Edits, unsends, reactions and votes about native messages whose rank is not known (yet): events without target and rank.
-- In the order of `id`: the rail's times may be those of a clock that knows whole seconds only.
CREATE TABLE parked (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id  TEXT NOT NULL UNIQUE,
    native_id TEXT NOT NULL,
    thread    TEXT NOT NULL,
    payload   BLOB NOT NULL,
    until_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX parked_by_native ON parked (native_id);

-- Edits, unsends, reactions and votes that have been taken: the same webhook again is nothing new.
CREATE TABLE taken (
    event_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- The time of the last of its kind by somebody about a message: what is older comes late and is past.
CREATE TABLE latest (
    target TEXT NOT NULL,
    kind   TEXT NOT NULL,
    actor  TEXT NOT NULL,
    at_ms  INTEGER NOT NULL,
    PRIMARY KEY (target, kind, actor)
) STRICT, WITHOUT ROWID;

-- What a message that we posted shows. `kind`: text, captioned (a file with words), file, poll (in words), other, gone
-- (taken back). `digest` of its words; `poll`: the question, for answers in words.
CREATE TABLE shown (
    native_id TEXT PRIMARY KEY,
    kind      TEXT NOT NULL,
    digest    TEXT NOT NULL,
    poll      BLOB
) STRICT, WITHOUT ROWID;

-- A person's reactions to a message, as the log has them, oldest first; and the one that the rail shows.
CREATE TABLE reactions (
    target TEXT NOT NULL,
    person TEXT NOT NULL,
    emoji  TEXT NOT NULL,
    rank   INTEGER NOT NULL,
    PRIMARY KEY (target, person, emoji)
) STRICT, WITHOUT ROWID;
CREATE TABLE reactions_shown (
    target TEXT NOT NULL,
    person TEXT NOT NULL,
    emoji  TEXT NOT NULL,
    PRIMARY KEY (target, person)
) STRICT, WITHOUT ROWID;

-- Files that the rail has: what it calls them, or (empty) that it does not take them.
CREATE TABLE uploads (
    sha256   TEXT NOT NULL,
    kind     TEXT NOT NULL,
    name     TEXT NOT NULL,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (sha256, kind)
) STRICT, WITHOUT ROWID;
