"""The nouns of a rail: accounts, messages, what happened, and the ways to say no.

Plain values, no I/O. Everything in the kit and in the rails' own wire modules speaks in these.
"""

from collections.abc import Mapping
from enum import IntEnum, StrEnum

import msgspec

from rails.kit.content import Details


class Kind(StrEnum):
    """What stands behind an account."""

    PERSON = "person"
    BUSINESS = "business"
    GHOST = "ghost"
    GROUP = "group"
    """No person: the address of a group, which is also its thread's id."""


class Status(IntEnum):
    """How far a message has come, as its sender is shown it. Only ever rises."""

    SENT = 0
    FAILED = 1
    DELIVERED = 2
    READ = 3


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody's registration on this rail.

    `handle` is ``rail:address``; a ghost's names another rail. `second_id` is the rail's other native id, where it
    has one. `webhook_url` is set on businesses only.
    """

    id: str
    handle: str
    name: str
    kind: Kind
    federated: bool
    ghost_key: str | None = None
    second_id: str | None = None
    webhook_url: str | None = None

    @property
    def address(self) -> str:
        return self.handle.partition(":")[2]

    def public(self) -> dict[str, object]:
        """`ACCOUNT` of docs/rail-api.md."""
        shown: dict[str, object] = {
            "id": self.id,
            "handle": self.handle,
            "address": self.address,
            "name": self.name,
            "kind": self.kind.value,
            "federated": self.federated,
        }
        return shown if self.ghost_key is None else {**shown, "key": self.ghost_key}


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message as stored.

    `arrival` is its place in the rail's log, `rank` the federation's word on its place in the thread. `at_ms` is the
    rail's own clock, rising within a thread, so it serves as watermark; `sent_at_ms` is the time shown.
    """

    arrival: int
    native_id: str
    thread_id: str
    sender_id: str
    recipient_id: str
    text: str
    at_ms: int
    sent_at_ms: int
    rank: int
    status: Status = Status.SENT
    read_at_ms: int | None = None
    error_code: str | None = None
    error_message: str | None = None
    reply_to: str | None = None
    opaque: str | None = None
    details: Details | None = None


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """A message came into a thread. `reply_author` wrote what it replies to.

    `urls`: where its files can be fetched, by media id. `to_partner`: this telling of it is for the federation partner.
    """

    message: Message
    sender: Account
    recipient: Account
    by_partner: bool
    reply_author: Account | None = None
    urls: Mapping[str, str] = {}
    to_partner: bool = False


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """The author edited a message or took it back: `message` is it as it is now. `id`: of this event itself."""

    message: Message
    author: Account
    recipient: Account
    at_ms: int
    id: str
    urls: Mapping[str, str] = {}
    to_partner: bool = False


class Reacted(msgspec.Struct, frozen=True, kw_only=True):
    """`by` reacted to a message of the thread with `other`; an empty emoji: took it back. `id`: this event's."""

    message: Message
    by: Account
    other: Account
    emoji: str
    at_ms: int
    id: str
    to_partner: bool = False


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """`reader` has got (`DELIVERED`) or read (`READ`) these messages of `author`: in view order, never empty."""

    status: Status
    reader: Account
    author: Account
    messages: tuple[Message, ...]
    at_ms: int
    by_partner: bool


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """The partner says that a message did not reach its recipient."""

    message: Message
    author: Account
    recipient: Account
    code: str
    reason: str
    at_ms: int


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook update in the outbox.

    `entry`: ASCII JSON; `delivers`: the message that this hands to a business; `next_at_ms`: not before, 0 unless it
    was put off; `slow`: nobody waits for it.
    """

    id: int
    kind: str
    entry: str
    delivers: str | None
    attempts: int = 0
    next_at_ms: int = 0
    created_at_ms: int
    slow: bool = False

    def due_at(self, next_at_ms: int, *, attempts: int | None = None) -> "Update":
        """The same, to be tried at another time."""
        tried = self.attempts if attempts is None else attempts
        return msgspec.structs.replace(self, next_at_ms=next_at_ms, attempts=tried)


class Why(StrEnum):
    """The ways to say no. Each face has its own words for them."""

    BAD_REQUEST = "bad_request"
    UNAUTHORISED = "unauthorised"
    NOT_FOUND = "not_found"
    ADDRESS_TAKEN = "address_taken"
    BAD_ADDRESS = "bad_address"
    UNKNOWN_RECIPIENT = "unknown_recipient"
    RECIPIENT_UNAVAILABLE = "recipient_unavailable"
    NOT_REACHABLE_NOW = "not_reachable_now"
    TOO_LONG = "too_long"
    TOO_LARGE = "too_large"
    BUSY = "busy"
    SELF = "self"
    UNSUPPORTED = "unsupported"
    TOO_OLD = "too_old"
    TOO_MANY_EDITS = "too_many_edits"
    NOT_AUTHOR = "not_author"
    NOT_ALLOWED = "not_allowed"
    UNSENT = "unsent"
    MEDIA_TYPE = "media_type"
    MEDIA_SIZE = "media_size"
    MEDIA_FETCH = "media_fetch"
    MEDIA_UNKNOWN = "media_unknown"
    TOO_MANY = "too_many"
    SERVER_ERROR = "server_error"
    NO_SUCH_EDGE = "no_such_edge"


class Refused(Exception):
    """The request is refused: `why` is for programs, the text is for people (what, why and the way out)."""

    def __init__(self, why: Why, text: str) -> None:
        super().__init__(text)
        self.why = why
        self.text = text
