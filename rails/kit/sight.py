"""Who sees what, in SQL: in a group only what came while one was in it."""

SEEN = (
    "(substr({table}.thread_id, 1, 2) = 't_' OR EXISTS"
    " (SELECT 1 FROM group_stays s WHERE s.group_id = {table}.thread_id AND s.account_id = ?"
    " AND {table}.arrival > s.since AND (s.until IS NULL OR {table}.arrival <= s.until)))"
)
"""Whether an account that is in the message's thread sees the message. Direct threads' ids begin with t_.

`table` is what the query calls the messages; one parameter: the account's id.
"""

UNREAD_IN_GROUP = (
    "(messages.thread_id = messages.recipient_id AND sender_id != ? AND (rank, arrival) >"
    " (SELECT coalesce(max(k.rank), -1), coalesce(max(k.arrival), -1) FROM group_marks k"
    " WHERE k.group_id = messages.thread_id AND k.account_id = ?))"
)
"""Whether a message in a group is behind an account's mark, and somebody else's. Two parameters, both that account."""
