-- Every group of the federation as the log has it (`state`: msgpack of schemas.groups.Group; NULL: reported by our rail, and not yet
-- in the log), and what it is called here. All of it is the fold of the log, but for native ids of groups made here.
CREATE TABLE groups (
    conversation TEXT PRIMARY KEY,
    native_id    TEXT UNIQUE,
    state        BLOB
) STRICT, WITHOUT ROWID;

-- Whoever has been named in a group: names and handles as the log had them last (msgpack of schemas.log.Seat).
CREATE TABLE group_seats (
    conversation TEXT NOT NULL,
    person       TEXT NOT NULL,
    seat         BLOB NOT NULL,
    PRIMARY KEY (conversation, person)
) STRICT, WITHOUT ROWID;
