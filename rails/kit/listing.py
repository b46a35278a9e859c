"""What the rail shows of messages, for the federation partner: `trinario check` compares it with the other rails.

Reads only, and marks nothing as delivered.
"""

from typing import Any

from rails.kit import content, messages
from rails.kit.model import Message, Refused, Why
from rails.kit.rail import Json
from rails.kit.store import Tx

MOST = 500
HEART = "\N{HEAVY BLACK HEART}\N{VARIATION SELECTOR-16}"
"""What a heart says, for rails that have none."""


def shown(tx: Tx, native_ids: Any) -> Json:
    """``{"messages": [...]}`` for those of up to 500 native ids that are there, in the order asked for."""
    if (
        not isinstance(native_ids, list)
        or len(native_ids) > MOST
        or not all(isinstance(one, str) for one in native_ids)
    ):
        raise Refused(Why.BAD_REQUEST, f"native_ids: expected a list of at most {MOST} texts")
    found = [message for one in native_ids if (message := messages.by_native_id(tx, one)) is not None]
    ids = {account for message in found for account in _accounts(message)}
    handles = {account: handle for account in ids if (handle := _handle(tx, account)) is not None}
    return {"messages": [_shown(message, handles) for message in found]}


def _accounts(message: Message) -> list[str]:
    return [message.sender_id, *(message.details.reactions if message.details is not None else ())]


def _handle(tx: Tx, account: str) -> str | None:
    row = tx.one("SELECT handle FROM accounts WHERE id = ?", account)
    return None if row is None else str(row[0])


def _shown(message: Message, handles: dict[str, str]) -> dict[str, Any]:
    details = message.details
    return {
        "native_id": message.native_id,
        "thread": message.thread_id,
        "from": handles.get(message.sender_id, ""),
        "text": HEART if details is not None and isinstance(details.content, content.LikeHeart) else message.text,
        "files": [file.sha256 for file in content.files(details.content)] if details is not None else [],
        "edited": details is not None and details.edits > 0,
        "unsent": details is not None and details.unsent,
        "reactions": {handles.get(by, by): emoji for by, emoji in details.reactions.items()} if details else {},
    }
