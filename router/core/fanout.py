"""Where an event goes: one leg for every rail on which somebody concerned has a verified account, but the origin.

`plan` decides; `Plans` remembers plans with their seats and legs already as bytes, because the same two people on the
same rails make the same plan for every message they write.
"""

from collections.abc import Iterator, Mapping

import msgspec

from schemas.capabilities import Capabilities, Level
from schemas.codec import encode
from schemas.events import Party
from schemas.groups import Group
from schemas.handles import rail_of
from schemas.ids import PersonId, RailName
from schemas.log import Act, Leg, Seat, seat_of
from schemas.people import Account, Person
from schemas.vanishing import Timer

_SHOWS_NOTHING = frozenset({Level.DROPPED, Level.REFUSED})


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Who is there, where the event goes, and whom it does not reach."""

    seats: tuple[Seat, ...] = ()
    legs: dict[RailName, Leg] = {}
    unreached: dict[str, str] = {}
    """Handle -> why this account gets nothing, in words."""


class Packed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A plan as it goes into an entry."""

    seats: msgspec.Raw = msgspec.Raw(b"\x90")
    legs: msgspec.Raw = msgspec.Raw(b"\x80")
    unreached: dict[str, str] = {}
    size_bytes: int = 2


NOWHERE = Packed()
"""The plan of what goes nowhere."""


def pack(plan_: Plan) -> Packed:
    """A plan with its seats and legs encoded."""
    seats, legs = encode(plan_.seats), encode(plan_.legs)
    words_bytes = sum(len(handle) + len(why) for handle, why in plan_.unreached.items())
    return Packed(
        seats=msgspec.Raw(seats),
        legs=msgspec.Raw(legs),
        unreached=plan_.unreached,
        size_bytes=len(seats) + len(legs) + words_bytes,
    )


def only(rail: str, act: Act, why: str) -> Packed:
    """A plan of one leg: how a sender is told of a refusal."""
    return pack(Plan(legs={RailName(rail): Leg(act=act, why=why)}))


def plan(
    source: str, act: Act, actor: Person, members: tuple[Person, ...], capabilities: Mapping[RailName, Capabilities]
) -> Plan:
    """The legs of one event that `actor` (one of the members) did on the rail `source`.

    Args:
        source: the rail it happened on; never a leg's.
        act: what the nodes there do; not `fail`.
        actor: who did it.
        members: everybody in the conversation, the actor too.
        capabilities: what is known of the rails; a rail not in it is taken to carry everything.
    """
    others = tuple(member for member in members if member.id != actor.id)
    private = act == "read" and not actor.preferences.receipts
    whys: dict[RailName, list[str]] = {}
    if act not in _ONES_OWN and not private:
        for person in others:
            for rail in reachable(person):
                whys.setdefault(rail, []).append(f"{person.name} is here")
    if act != "delivered":
        for rail in actor.rails() if act == "block" else reachable(actor):
            whys.setdefault(rail, []).append(_OWN[act].format(name=actor.name))
    keeping = {rail for one in others if act == "unsend" and one.preferences.keeps for rail in reachable(one)}
    legs = {
        rail: Leg(act=act, why=", ".join(why), private=private, keep=rail in keeping)
        for rail, why in whys.items()
        if rail != source and carries(capabilities.get(rail), act)
    }
    unreached = dict(_unreached(source, members, capabilities)) if act == "post" else {}
    return Plan(seats=tuple(map(seat_of, members)), legs=legs, unreached=unreached)


_ONES_OWN: frozenset[Act] = frozenset({"block", "mark"})
"""What is nobody else's business."""

_OWN: Mapping[Act, str] = {
    "post": "{name}'s own copy",
    "read": "{name} has read it",
    "mark": "{name} has marked it",
    "block": "{name} blocks here too",
    "edit": "{name}'s own copy",
    "unsend": "{name}'s own copy",
    "react": "{name}'s own copy",
    "vote": "{name}'s own copy",
    "group": "{name} is in the group",
    "timer": "{name} has set it",
    "delivered": "",
    "fail": "",
}


def reached(source: str, person: Person) -> bool:
    """Whether anything at all gets to this person: on some rail, or where it was written."""
    return person.account_on(source) is not None or bool(reachable(person))


def reachable(person: Person) -> tuple[RailName, ...]:
    """The rails on which a person has a verified account and does not mind being reached."""
    never = person.preferences.never
    return tuple(rail for rail in person.rails() if rail not in never) if never else person.rails()


def carries(rail: Capabilities | None, act: Act) -> bool:
    """Whether a rail can show such an act at all; one that is not known is taken to."""
    if rail is None:
        return True
    if act == "post":
        return rail.text is not Level.REFUSED
    if act == "read":
        return rail.read not in _SHOWS_NOTHING
    if act == "delivered":
        return rail.delivered not in _SHOWS_NOTHING
    return True


def _unreached(
    source: str, members: tuple[Person, ...], capabilities: Mapping[RailName, Capabilities]
) -> Iterator[tuple[str, str]]:
    for person in members:
        taken: set[RailName] = set()
        for account in person.accounts:
            rail = rail_of(account.handle)
            why = _why_not(person, account, rail, capabilities.get(rail)) if rail != source else ""
            if not why and rail != source and rail in taken:
                why = f"another account of {person.name} acts on {rail}"
            if account.state == "verified":
                taken.add(rail)
            if why:
                yield account.handle, why


def _why_not(person: Person, account: Account, rail: RailName, capabilities: Capabilities | None) -> str:
    if account.state != "verified":
        return f"the account is {account.state}"
    if rail in person.preferences.never:
        return f"{person.name} prefers not to be reached on {rail}"
    if not carries(capabilities, "post"):
        return f"{rail} carries no text"
    return ""


class Known(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A remembered plan and the persons it was made for."""

    persons: tuple[Person, ...]
    """Actor first. The plan holds while these very objects are who the people are."""
    stamp: object
    """The people's stamp when that was last seen to be so."""
    packed: Packed
    actor: PersonId = PersonId("")
    """The first of the persons, at hand for those who only write down that it holds."""
    source: str = ""
    to: tuple[Party, ...] = ()
    """Of messages: where they came from and whom they were to, which has to be the same again."""
    group: Group | None = None
    """Of messages in a group: the very group it was made for; any change of it makes another."""
    timer: Timer | None = None
    """Of messages: their author's own wish for how long they last."""


Key = tuple[str, str] | tuple[str, str, str, str]
"""Conversation and actor of a direct message: the key that nearly all events need has as little to compare as can be.
Of everything else: origin, conversation, actor and act.
"""


class Plans:
    """A bounded memory of plans, for one set of capabilities. Forgetting costs time and changes nothing.

    A plan is a function of the origin, the act and the persons, so a remembered one is right as long as the persons are
    the very same values; a changed person is another object and misses.
    """

    def __init__(self, *, capabilities: Mapping[RailName, Capabilities], most: int = 50_000) -> None:
        self.capabilities = capabilities
        self._most = most
        self._known: dict[Key, Known] = {}

    def get(self, key: Key) -> Known | None:
        """What is remembered under a key; the caller compares the persons by identity."""
        return self._known.get(key)

    def remember(self, key: Key, known: Known) -> None:
        """Remember; when full, the oldest half goes (one sweep, so that no hit has to write)."""
        if len(self._known) >= self._most:
            for old in list(self._known)[: self._most // 2]:
                del self._known[old]
        self._known[key] = known
