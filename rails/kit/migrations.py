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
}
