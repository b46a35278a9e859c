"""Recorded traffic routed again under another policy, without sending anything: what would go elsewhere. Pure.

Every message of the log is decided twice by the router's own core, with the people as they were then: once as they
were, once with the policy laid over. What differs is the policy's doing. Called by `trinario route diff`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from router.core.conversation import apply
from router.core.decision import Decision
from router.core.fanout import Plans
from router.core.people import Amended
from router.core.route import route
from schemas.capabilities import Capabilities
from schemas.codec import decode_event, decode_legs
from schemas.errors import NotUnderstood, TrinarioError
from schemas.errors import explain as in_words
from schemas.events import Message
from schemas.groups import is_group
from schemas.handles import Handle
from schemas.ids import PersonId, RailName
from schemas.log import Conversation, Entry
from schemas.people import Person


class BadPolicy(TrinarioError):
    """A policy that cannot be laid over anything."""


class Wish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Preferences to be laid over; what is absent stays as it is."""

    never: tuple[RailName, ...] | None = None
    receipts: bool | None = None


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What would be different: for everybody, for whoever has a handle, for a rail's capabilities."""

    everybody: Wish = Wish()
    people: dict[Handle, Wish] = {}
    rails: dict[RailName, dict[str, Any]] = {}
    """Rail -> members of its capability document, e.g. `text = "refused"`."""


class Rerouted(msgspec.Struct, frozen=True, kw_only=True):
    """A message whose way would be another."""

    message_id: str
    conversation: str
    writer: str
    at_ms: int
    before: dict[str, Any]
    after: dict[str, Any]


class Replay:
    """Feed it the log's entries in their order. `capabilities`: as the rails have published them."""

    def __init__(self, *, policy: Policy, capabilities: Mapping[RailName, Capabilities]) -> None:
        self._policy = policy
        self._then, self._new = Amended(_Nobody()), Amended(_Nobody())
        self._plans = Plans(capabilities=capabilities)
        self._new_plans = Plans(capabilities=_overlaid(capabilities, policy))
        self._groups: dict[str, Conversation] = {}
        self.considered = 0

    def learn(self, entry: Entry) -> None:
        """Know the people and the groups that an entry tells of."""
        if entry.people:
            self._then.amend(entry.people)
            self._new.amend(self._wished(person) for person in entry.people)
        if is_group(entry.conversation) and entry.kind in ("group", "membership", "group_change"):
            state = apply(self._groups.get(entry.conversation), entry)
            if state is not None:
                self._groups[entry.conversation] = state

    def decide(self, entry: Entry, *, at_ms: int) -> Rerouted | None:
        """Decide a message's entry again, both ways; None when nothing differs. `at_ms`: when it was recorded."""
        if entry.kind != "message" or entry.outcome not in ("routed", "refused"):
            return None
        try:
            event = decode_event(entry.event)
        except NotUnderstood:
            return None
        if not isinstance(event, Message):
            return None
        self.considered += 1
        state = self._groups.get(entry.conversation)
        before = _told(route(event, source=entry.source, conversation=state, people=self._then, plans=self._plans))
        after = _told(route(event, source=entry.source, conversation=state, people=self._new, plans=self._new_plans))
        if before == after:
            return None
        return Rerouted(
            message_id=entry.event_id,
            conversation=entry.conversation,
            writer=event.actor,
            at_ms=event.at_ms or at_ms,
            before=before,
            after=after,
        )

    def _wished(self, person: Person) -> Person:
        wishes = [self._policy.everybody]
        wishes += [wish for handle, wish in self._policy.people.items() if handle in person.handles()]
        preferences = person.preferences
        for wish in wishes:
            preferences = msgspec.structs.replace(
                preferences,
                receipts=preferences.receipts if wish.receipts is None else wish.receipts,
                never=preferences.never if wish.never is None else wish.never,
            )
        return person if preferences == person.preferences else msgspec.structs.replace(person, preferences=preferences)


class _Nobody:
    """The world before the log began."""

    stamp: object = "nobody"

    def person(self, person: PersonId) -> None:  # noqa: ARG002 - nobody is nobody
        return None

    def whose(self, handle: Handle) -> None:  # noqa: ARG002 - as above
        return None


def _overlaid(capabilities: Mapping[RailName, Capabilities], policy: Policy) -> dict[RailName, Capabilities]:
    found = dict(capabilities)
    for rail, members in policy.rails.items():
        if rail not in capabilities:
            raise BadPolicy(f"rails.{rail}: no such rail has published what it can carry; there are {_names(found)}.")
        plain = msgspec.to_builtins(capabilities[rail])
        if unknown := members.keys() - {field.name for field in msgspec.structs.fields(Capabilities)}:
            raise BadPolicy(f"rails.{rail}: {_names(unknown)}: no such capability; see docs/rails.md.")
        try:
            found[rail] = msgspec.convert({**plain, **members}, Capabilities)
        except msgspec.ValidationError as error:
            raise BadPolicy(f"rails.{rail} does not fit: {error}.") from error
    return found


def _names(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"


def _told(decision: Decision) -> dict[str, Any]:
    routed = decision.outcome == "routed"
    return {
        "outcome": decision.outcome,
        "why": in_words(decision.why) if decision.why else "",
        "legs": sorted(decode_legs(decision.packed.legs)) if routed else [],
        "unreached": decision.packed.unreached,
    }


def read_policy(text: str) -> Policy:
    """A policy from TOML. Raises `BadPolicy` naming what does not fit."""
    try:
        return msgspec.toml.decode(text, type=Policy)
    except msgspec.MsgspecError as error:
        raise BadPolicy(
            f"The policy cannot be read: {error}. Expected TOML with [everybody], [people.HANDLE] or [rails.NAME]."
        ) from error
