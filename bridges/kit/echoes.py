"""Our own posts coming back, perhaps before their answers: which part of which event they are. In transactions."""

from sqlite3 import Connection as Transaction

from bridges.kit import acts, idmap, receipts
from bridges.kit.contract import NativeEcho
from bridges.kit.receipts import Place
from bridges.kit.steps import LATER
from schemas.ids import ConversationId


def places(tx: Transaction, echo: NativeEcho) -> list[Place]:
    """Where the native message stands. What we have not posted (any more) is nothing to us: no place."""
    name, _, number = echo.opaque.partition("#")
    leg = tx.execute(
        "SELECT act, conversation, position, rank, source, payload FROM legs WHERE event_id = ?", (name,)
    ).fetchone()
    part = int(number or "0") if (number or "0").isdecimal() else -1
    if leg is None or part < 0:
        return []
    act, conversation, position, rank, source, payload = leg
    event_id = name
    if act != "post":
        event_id = acts.target_of(payload)
        first = next(iter(idmap.parts_of(tx, event_id)), None)
        if first is None:
            return []
        position, rank = (0, rank) if part >= LATER else (first.position, first.rank)
    return [
        Place(
            native_id=echo.native_id,
            event_id=event_id,
            part=part,
            conversation=ConversationId(conversation),
            position=position,
            rank=rank,
            thread=receipts.thread_of(echo.author, echo.peer),
            author=echo.author,
            at_ms=echo.at_ms,
            source=source,
        )
    ]
