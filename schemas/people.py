"""People: one person behind one or more accounts, and what they have asked for.

Written to the directory from the log by the router; read by everyone.
"""

from typing import Literal

import msgspec

from schemas.handles import Handle, rail_of
from schemas.ids import PersonId, RailName, digest, person_id
from schemas.vanishing import Timer

AccountState = Literal["proposed", "verified", "suspended", "unlinked"]
"""Only a verified account sends, receives and reads."""

AccountKind = Literal["person", "business"]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody's registration on one rail."""

    handle: Handle
    name: str
    kind: AccountKind = "person"
    state: AccountState = "verified"


class Preferences(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person has asked of the federation. Defaults: everything everywhere."""

    receipts: bool = True
    """Others are shown when this person has read. Their own rails agree on what is read either way."""
    never: tuple[RailName, ...] = ()
    """Rails on which this person is not to be reached."""
    keeps: bool = False
    """This person keeps what others take back: in direct conversations their rails are only told of it."""
    timer: Timer | None = None
    """How long what this person writes lasts, if nobody wishes it to be shorter."""
    presence: bool = False
    """Others are shown when this person is there, and when they were last; only on their own wish."""
    offline_on: tuple[RailName, ...] = ()
    """Rails on which this person appears offline, and of which the others are not told that they are there."""
    offline_until_ms: int = 0
    """Until then this person appears offline everywhere (Unix milliseconds)."""

    def shows_presence(self, rail: str, *, now_ms: int) -> bool:
        """Whether others may be shown that this person is there: as seen on this rail, or on it."""
        return self.presence and rail not in (*self.offline_on, *self.never) and now_ms >= self.offline_until_ms


class Person(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One human or brand. `version` is the log sequence that last changed it."""

    id: PersonId
    name: str
    accounts: tuple[Account, ...] = ()
    preferences: Preferences = Preferences()
    blocked: tuple[PersonId, ...] = ()
    """Persons whose messages this one does not want, on any rail."""
    merged_into: PersonId | None = None
    """Set when this person turned out to be another one; everything else is then empty."""
    version: int = 0

    def account_on(self, rail: str) -> Account | None:
        """Their first verified account on a rail, the one that acts for them there."""
        return next((a for a in self.accounts if a.state == "verified" and rail_of(a.handle) == rail), None)

    def rails(self) -> tuple[RailName, ...]:
        """The rails they have a verified account on, first registered first."""
        return tuple(dict.fromkeys(rail_of(a.handle) for a in self.accounts if a.state == "verified"))

    def handles(self) -> tuple[Handle, ...]:
        """Their verified handles, first registered first."""
        return tuple(a.handle for a in self.accounts if a.state == "verified")


def newcomer(handle: Handle, name: str, kind: AccountKind = "person") -> Person:
    """The person behind a handle nobody has linked to anyone: the same wherever it is made."""
    return Person(id=person_id(handle), name=name, accounts=(Account(handle=handle, name=name, kind=kind),))


def person_key(person: PersonId) -> str:
    """Where the directory keeps a person."""
    return f"person.{person}"


def handle_key(handle: Handle) -> str:
    """Where the directory keeps whose handle this is: a hash, so that addresses are in no subject."""
    return f"handle.{digest('handle', handle)}"
