"""Changes of one message that are made on several rails at once. Inside transactions.

Whoever edits a message, or reacts to it, from two of their accounts at once sees each rail with what was done there;
the other one comes to it afterwards. So once such a change has come from another rail, those made here are brought to
our rail as well: in the log's order, over whatever has come in between. `what` tells changes apart that do not
concern one another: `EDIT`, or `reaction_of` a person. Called by the log reader, `changes` and `reactions`.
"""

from sqlite3 import Connection as Transaction

TABLE = """
-- Messages that were changed from other rails, and how.
CREATE TABLE crossings (
    target TEXT NOT NULL,
    what   TEXT NOT NULL,
    PRIMARY KEY (target, what)
) STRICT, WITHOUT ROWID;
"""

EDIT = "edit"


def reaction_of(person: str) -> str:
    """Whose reaction it is."""
    return f"reaction {person}"


def note(tx: Transaction, target: str, what: str, *, is_ours: bool) -> bool:
    """The log has taken a change. `is_ours`: it was made on this rail. Whether it has to be made here once more."""
    if not is_ours:
        tx.execute("INSERT OR IGNORE INTO crossings VALUES (?, ?)", (target, what))
        return False
    found = tx.execute("SELECT 1 FROM crossings WHERE target = ? AND what = ?", (target, what)).fetchone()
    return found is not None
