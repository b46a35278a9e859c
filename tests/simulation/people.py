"""Who writes in the bus's simulation, from where, and how what they do becomes events and what they see becomes lines.

Alice is on both rails, Bob on one, Carla on the other. An account is one of `ACCOUNTS`; texts are ``<who>-<counter>``.
"""

from bus.subjects import ingress
from schemas.codec import encode
from schemas.content import Text
from schemas.events import AccountSeen, AnyEvent, Link, Message, Receipt
from schemas.handles import Handle
from schemas.ids import (
    OPERATOR,
    PEOPLE_PARTITION,
    ConversationId,
    PersonId,
    direct_conversation_id,
    event_id,
    partition_of,
    person_id,
)

RAILS = ("whatsapp", "messenger")
PARTITIONS = 2
ACCOUNTS: dict[tuple[str, str], Handle] = {
    ("alice", "whatsapp"): Handle("whatsapp:+393331112222"),
    ("alice", "messenger"): Handle("messenger:alice.bianchi"),
    ("bob", "messenger"): Handle("messenger:bob.rossi"),
    ("carla", "whatsapp"): Handle("whatsapp:+393336667777"),
}
WHO: dict[PersonId, str] = {
    person_id(ACCOUNTS["alice", "whatsapp"]): "alice",
    person_id(ACCOUNTS["bob", "messenger"]): "bob",
    person_id(ACCOUNTS["carla", "whatsapp"]): "carla",
}
IDS = {who: person for person, who in WHO.items()}

Item = tuple[str, bytes, str]


def conversation(one: str, other: str) -> ConversationId:
    """Of two of them."""
    return direct_conversation_id(IDS[one], IDS[other])


PAIRS: dict[ConversationId, tuple[str, str]] = {
    conversation(one, other): (one, other) for one, other in (("alice", "bob"), ("alice", "carla"), ("bob", "carla"))
}


def introductions() -> list[tuple[str, Item]]:
    """Source and message of each account's being seen, and of Alice's two being linked."""
    found = [
        (rail, _item(rail, AccountSeen(id=event_id(rail, "account", handle), actor=handle, name=who.title())))
        for (who, rail), handle in ACCOUNTS.items()
    ]
    both = (ACCOUNTS["alice", "whatsapp"], ACCOUNTS["alice", "messenger"])
    link = Link(id=event_id(OPERATOR, "link", "", *both), handles=both)
    return [*found, (OPERATOR, _item(OPERATOR, link))]


def written(who: str, rail: str, whom: str, text: str) -> Item:
    """Somebody writes to somebody from one of their accounts."""
    actor = ACCOUNTS[who, rail]
    event = Message(
        id=event_id(rail, "message", whom, actor, text),
        conversation=conversation(who, whom),
        actor=actor,
        to=(ACCOUNTS.get((whom, rail)) or IDS[whom],),
        content=Text(body=text),
        native_id=f"native-{text}",
    )
    return _item(rail, event)


def read(who: str, rail: str, whom: str, position: int) -> Item:
    """Somebody has read what somebody wrote, up to a position."""
    actor = ACCOUNTS[who, rail]
    event = Receipt(
        id=event_id(rail, "read", whom, actor, str(position)),
        conversation=conversation(who, whom),
        actor=actor,
        status="read",
        position=position,
    )
    return _item(rail, event)


def _item(source: str, event: AnyEvent) -> Item:
    """As a bridge publishes it."""
    place = getattr(event, "conversation", "")
    partition = partition_of(place, PARTITIONS) if place else PEOPLE_PARTITION
    return ingress(source, partition), encode(event), event.id
