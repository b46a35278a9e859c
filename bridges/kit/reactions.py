"""Reactions out. A person's reactions to a message are a set; a rail shows what it can of it, most often one.

The set is the fold of the log (`note`, called by the log reader for every reaction that concerns this rail, also those
that were made here), so all rails agree on it; a leg then brings the rail to what the set says now, whatever it was
asked to do.
"""

from sqlite3 import Connection as Transaction

from bridges.kit import idmap, receipts
from bridges.kit import lost as phrases
from bridges.kit.legs import LegRow, Work
from bridges.kit.steps import Context, Finished, Impossible, Sending, Step, actor_seat, acts_for
from schemas.capabilities import Capabilities
from schemas.codec import decode_event, decode_seats
from schemas.events import Reaction
from schemas.ids import PersonId

NOT_HERE = "the message is not on this rail"


def note(tx: Transaction, event: Reaction, person: PersonId, rank: int, *, is_ours: bool) -> None:
    """The log has taken a reaction. `is_ours`: it was made on this rail, which therefore shows it."""
    if event.how == "only":
        tx.execute("DELETE FROM reactions WHERE target = ? AND person = ?", (event.target, person))
    if event.how == "remove":
        tx.execute(
            "DELETE FROM reactions WHERE target = ? AND person = ? AND emoji = ?", (event.target, person, event.emoji)
        )
    elif event.emoji:
        tx.execute("INSERT OR REPLACE INTO reactions VALUES (?, ?, ?, ?)", (event.target, person, event.emoji, rank))
    if is_ours:
        set_shown(tx, event.target, person, "" if event.how == "remove" else event.emoji)


def held(tx: Transaction, target: str, person: str) -> list[str]:
    """A person's reactions to a message, oldest first."""
    rows = tx.execute(
        "SELECT emoji FROM reactions WHERE target = ? AND person = ? ORDER BY rank", (target, person)
    ).fetchall()
    return [row[0] for row in rows]


def projected(emoji: list[str], capabilities: Capabilities) -> tuple[str, tuple[str, ...]]:
    """The one reaction that a rail shows of a set (empty: none), and what is lost: the latest that it can show."""
    allowed = capabilities.reaction_emoji
    able = [one for one in emoji if not allowed or one in allowed]
    lost = (phrases.left_out("reaction"),) if len(able) < len(emoji) or len(able) > 1 else ()
    return (able[-1] if able else ""), lost


def set_shown(tx: Transaction, target: str, person: str, emoji: str) -> None:
    """The rail shows this from now on."""
    if emoji:
        tx.execute("INSERT OR REPLACE INTO reactions_shown VALUES (?, ?, ?)", (target, person, emoji))
    else:
        tx.execute("DELETE FROM reactions_shown WHERE target = ? AND person = ?", (target, person))


def plan(tx: Transaction, _row: LegRow, work: Work, context: Context, *, refused: str) -> Step:
    """The call that shows what the set says now; none when the rail shows it already."""
    event = decode_event(work.event)
    if not isinstance(event, Reaction) or work.actor is None:
        return Impossible(why=f"a {type(event).__name__} is no reaction")
    if refused:
        return Finished(lost=(phrases.left_out("reaction"),), skipped=f"the rail does not take it: {refused}")
    places = idmap.parts_of(tx, event.target)
    if not places:
        return Finished(skipped=NOT_HERE)
    emoji, lost = projected(held(tx, event.target, work.actor), context.translator.capabilities)
    current = tx.execute(
        "SELECT emoji FROM reactions_shown WHERE target = ? AND person = ?", (event.target, work.actor)
    ).fetchone()
    if (current[0] if current is not None else "") == emoji:
        return Finished(lost=lost)
    seat = actor_seat(decode_seats(work.seats), work, event.actor)
    members = receipts.members_of(places[0].thread)
    node = next((one for one in members if seat is not None and acts_for(tx, one, seat)), None)
    if node is None:
        return Impossible(why="whoever reacted has no account in the thread")
    peer = next(one for one in members if one != node)
    call = context.translator.react(node=node, peer=peer, native_id=places[0].native_id, emoji=emoji)
    reacted = (event.target, work.actor, emoji)
    return Sending(call=call, is_last=True, lost=lost, has_other_way=True, reacted=reacted)
