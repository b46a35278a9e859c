"""The dry run behind `trinario route explain`: where a message would go, by the code that routes. Publishes nothing."""

from collections.abc import Iterator, Mapping
from typing import Any

from bus import topology
from bus.connection import Connection
from bus.kv import Bucket
from bus.subjects import RAILS
from router.core.decision import Decision
from router.core.fanout import Plans
from router.core.route import route
from router.people import People
from schemas.capabilities import Capabilities
from schemas.codec import decode_capabilities, decode_legs
from schemas.content import Text
from schemas.errors import TrinarioError
from schemas.errors import explain as in_words
from schemas.events import Message
from schemas.handles import Handle, rail_of
from schemas.ids import EventId, RailName, direct_conversation_id, partition_of
from schemas.log import Leg
from schemas.people import Person


class UnknownHandle(TrinarioError):
    """Nobody on the federation has this handle."""

    def __init__(self, handle: Handle) -> None:
        super().__init__(
            f"Nobody is known as {handle}. Expected an account that its rail has told of: "
            f"`trinario account register {handle} --name NAME` makes one."
        )


async def explain(conn: Connection, from_handle: Handle, to_handle: Handle) -> dict[str, Any]:
    """What would become of a message: the contract's members, and `outcome` and `why` (in words, if refused).

    Raises `UnknownHandle`, and what the bus raises.
    """
    people = People(conn)
    await people.prefetch([from_handle, to_handle])
    sender, recipient = people.whose(from_handle), people.whose(to_handle)
    for handle, person in ((from_handle, sender), (to_handle, recipient)):
        if person is None:
            raise UnknownHandle(handle)
    assert sender is not None  # noqa: S101 - the loop has said so
    assert recipient is not None  # noqa: S101
    conversation = direct_conversation_id(sender.id, recipient.id)
    event = Message(
        id=EventId("evt_explained"),
        conversation=conversation,
        actor=from_handle,
        to=(to_handle,),
        content=Text(body=""),
    )
    plans = Plans(capabilities=await capabilities_of(conn))
    decision = route(event, source=rail_of(from_handle), conversation=None, people=people, plans=plans)
    fixed = await topology.fixed(conn)
    routed = decision.outcome == "routed"
    legs = decode_legs(decision.packed.legs) if routed else {}
    return {
        "conversation": conversation,
        "partition": partition_of(conversation, fixed.partitions) if fixed else None,
        "legs": [{"rail": rail, "why": leg.why} for rail, leg in legs.items()],
        "accounts": [
            {"handle": handle, "person": person.id, "reached": reached, "why": why}
            for person in dict.fromkeys((sender, recipient))
            for handle, reached, why in _accounts(person, decision, legs, from_handle)
        ],
        "outcome": decision.outcome,
        "why": "" if routed else in_words(decision.why),
    }


async def capabilities_of(conn: Connection) -> Mapping[RailName, Capabilities]:
    """Every rail's capability document, as its bridge has published it."""
    return {
        RailName(rail): decode_capabilities(entry.value)
        async for rail, entry in Bucket(conn, RAILS).scan()
        if "." not in rail
    }


def _accounts(
    person: Person, decision: Decision, legs: Mapping[RailName, Leg], written_by: Handle
) -> Iterator[tuple[Handle, bool, str]]:
    """Every account of a person: its handle, whether the message gets there, and why."""
    for account in person.accounts:
        rail = rail_of(account.handle)
        if decision.outcome != "routed":
            yield account.handle, False, in_words(decision.why)
        elif account.handle in decision.packed.unreached:
            yield account.handle, False, decision.packed.unreached[account.handle]
        elif account.handle == written_by:
            yield account.handle, True, "written here"
        elif rail == rail_of(written_by):
            yield account.handle, True, "on the rail it is written on"
        elif rail in legs:
            yield account.handle, True, legs[rail].why
        else:
            yield account.handle, False, f"no leg goes to {rail}"
