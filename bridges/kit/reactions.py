"""Reactions out. A person's reactions to a message are a set; a rail shows what it can of it, most often one.

The set is the fold of the log (`note`, called by the log reader for every reaction that concerns this rail, also those
that were made here), so all rails agree on it; a leg then brings the rail to what the set says now, whatever it was
asked to do.
"""

from collections.abc import Sequence
from sqlite3 import Connection as Transaction

from bridges.kit import changes, crossings, quotes, receipts, words
from bridges.kit import lost as phrases
from bridges.kit.legs import LegRow, Work
from bridges.kit.receipts import Place
from bridges.kit.steps import Context, Finished, Impossible, Sending, Step, actor_seat, node_in
from schemas.capabilities import Capabilities, Level
from schemas.codec import decode_event, decode_seats
from schemas.events import Reaction
from schemas.ids import PersonId

NOT_HERE = "the message is not on this rail"
UNKNOWN = "?"
"""Shown: one of two that have crossed."""


def note(tx: Transaction, event: Reaction, person: PersonId, rank: int, *, is_ours: bool) -> bool:
    """The log has taken a reaction. `is_ours`: it was made on this rail, which therefore shows it.

    Whether it has to be brought here all the same: another rail's may have been written over it (`crossings`).
    """
    if event.how == "only":
        tx.execute("DELETE FROM reactions WHERE target = ? AND person = ?", (event.target, person))
    if event.how == "remove":
        tx.execute(
            "DELETE FROM reactions WHERE target = ? AND person = ? AND emoji = ?", (event.target, person, event.emoji)
        )
    elif event.emoji:
        tx.execute("INSERT OR REPLACE INTO reactions VALUES (?, ?, ?, ?)", (event.target, person, event.emoji, rank))
    is_crossed = crossings.note(tx, event.target, crossings.reaction_of(person), is_ours=is_ours)
    if is_ours:
        now = "" if event.how == "remove" else event.emoji
        set_shown(tx, event.target, person, UNKNOWN if is_crossed else now)
    return is_crossed


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


def tally(tx: Transaction, target: str) -> list[tuple[str, int]]:
    """Each emoji that a message has, and how many people's it is; the first one first."""
    return tx.execute(
        "SELECT emoji, count(*) FROM reactions WHERE target = ? GROUP BY emoji ORDER BY min(rank)", (target,)
    ).fetchall()


def plan(tx: Transaction, row: LegRow, work: Work, context: Context, *, refused: str) -> Step:
    """The call that shows what the set says now; none when the rail shows it already."""
    event = decode_event(work.event)
    if not isinstance(event, Reaction) or work.actor is None:
        return Impossible(why=f"a {type(event).__name__} is no reaction")
    live = [one for one in changes.standing(tx, event.target) if one.shown.kind != "gone"]
    if not live or refused in changes.PAST:
        return Finished(skipped=NOT_HERE)
    seat = actor_seat(decode_seats(work.seats), work, event.actor)
    node = node_in(tx, context.translator.rail, live[0].place.thread, seat)
    if seat is None or node is None:
        return Impossible(why="whoever reacted has no account in the thread")
    able = context.translator.capabilities
    if refused or able.reaction is Level.FALLBACK:
        return _in_words(tx, row, work, context, event=event, live=live, node=node, name=seat.name)
    if not able.reaction.is_native:
        return Finished(lost=(phrases.left_out("reaction"),), skipped="the rail shows no reactions")
    return _natively(tx, context, target=event.target, person=work.actor, first=live[0].place, node=node)


def _natively(tx: Transaction, context: Context, *, target: str, person: str, first: Place, node: str) -> Step:
    emoji, lost = projected(held(tx, target, person), context.translator.capabilities)
    if _shown(tx, target, person) == emoji:
        return Finished(lost=lost)
    peer = receipts.native_peer(receipts.peer_in(first.thread, node))
    call = context.translator.react(node=node, peer=peer, native_id=first.native_id, emoji=emoji)
    return Sending(call=call, is_last=True, lost=lost, has_other_way=True, reacted=(target, person, emoji))


def _shown(tx: Transaction, target: str, person: str) -> str:
    row = tx.execute("SELECT emoji FROM reactions_shown WHERE target = ? AND person = ?", (target, person)).fetchone()
    return str(row[0]) if row is not None else ""


def _in_words(
    tx: Transaction,
    row: LegRow,
    work: Work,
    context: Context,
    *,
    event: Reaction,
    live: Sequence[changes.Standing],
    node: str,
    name: str,
) -> Step:
    """A message by whoever reacted, with the count when others have reacted, too."""
    person = work.actor or ""
    now = " ".join(held(tx, event.target, person))
    if _shown(tx, event.target, person) == now:
        return Finished()
    has_replies = context.translator.capabilities.reply.is_native
    quote = "" if has_replies else quotes.look(tx, context.quotes, event.target, event.rank)
    if isinstance(quote, quotes.Quoting):
        return quote
    said = words.reacted(name, now, answering=quote, tally=tally(tx, event.target))
    return changes.said_later(
        tx,
        row,
        work,
        context,
        event=event,
        live=live,
        said=said,
        phrase=phrases.REACTION_WORDS,
        node=node,
        reacted=(event.target, person, now),
    )
