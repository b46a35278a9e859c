"""What a rail's file must offer, and the values that cross its border.

A `Translator` is pure: bytes and values in, values out; no clock, no I/O, no state. Everything that takes time or can
fail (HTTP, SQLite, the bus) is the kit's. A translator that meets something it does not know says so with
`Unreadable`; it raises nothing.

Two words: a *node* is the account that acts or is written to (the id in the platform's paths and metadata), its
*peer* the other account of the thread. All ids here are native ids of one rail.
"""

from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from bridges.kit.formatting import Style
from schemas.capabilities import Capabilities
from schemas.ids import RailName
from schemas.markers import MarkerKind


class NativeMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wrote to `recipient`. `at_ms` is the rail's own timestamp, in whatever precision the wire has."""

    native_id: str
    author: str
    recipient: str
    text: str
    at_ms: int
    reply_to: str = ""
    """The native id of the message answered; empty for none."""


class NativeEcho(msgspec.Struct, frozen=True, kw_only=True):
    """What we posted has come back. `opaque` is what we sent along (`Post.opaque`); empty when the rail lost it."""

    native_id: str
    author: str
    peer: str
    opaque: str
    at_ms: int


class NativeReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """`reader` has got, or read, messages that `peer` wrote. At least one of the three ways says which."""

    reader: str
    peer: str
    status: MarkerKind
    native_ids: tuple[str, ...] = ()
    """Exactly these messages."""
    up_to: str = ""
    """This message and all before it in the thread."""
    watermark_ms: int | None = None
    """Every message of the thread with the rail's timestamp at or before this."""


class NativeAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account as the rail describes it."""

    native_id: str
    handle: str
    name: str
    kind: Literal["person", "business", "ghost"]
    federated: bool
    key: str = ""
    """Ghosts: what we called it when it was made (a person id)."""


class NativeBlock(msgspec.Struct, frozen=True, kw_only=True):
    """`blocker` does not want to hear from `blocked` (or does again)."""

    blocker: str
    blocked: str
    on: bool
    at_ms: int


class NativeFailure(msgspec.Struct, frozen=True, kw_only=True):
    """A post that was accepted has failed after all. Only rails that answer before they deliver have these."""

    native_id: str
    code: str
    text: str


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """One update that could not be read; parked with its bytes, and the rest goes on."""

    reason: str
    raw: bytes


Native: TypeAlias = (
    NativeMessage | NativeEcho | NativeReceipt | NativeAccount | NativeBlock | NativeFailure | Unreadable
)


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP call to the rail. `path` begins with a slash; the kit adds origin and credentials."""

    method: Literal["GET", "POST"]
    path: str
    headers: dict[str, str] = {}
    body: Any = None
    """JSON; None for no body."""


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """A message (or one part of one) to be written by `node` to `peer`."""

    node: str
    peer: str
    text: str
    key: str
    """Idempotency key: the same key is the same message, however often it is sent."""
    opaque: str
    """Comes back in the echo."""
    order: int
    """The message's rank in the whole federation."""
    sent_at_ms: int
    """When its author sent it; shown to people."""
    reply_to: str = ""


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """What a successful post was answered with. `at_ms` is 0 when the rail does not say."""

    native_ids: tuple[str, ...]
    at_ms: int = 0


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer means for the call. All that the retry policy knows.

    done             it happened
    temporary        it did not happen; the same call may succeed in `wait_s` (0: the kit chooses)
    uncertain        it may have happened; only the same key may be sent again
    permanent        it did not happen and never will: `code` for programs, `text` for people
    bad_credentials  nothing will happen until an operator acts
    """

    outcome: Literal["done", "temporary", "uncertain", "permanent", "bad_credentials"]
    wait_s: float = 0.0
    code: str = ""
    text: str = ""


class Translator(Protocol):
    """One rail's wire format. All members are mandatory; each is called from one place of the kit."""

    @property
    def rail(self) -> RailName:
        """The rail's name as it stands in handles, subjects and settings. Read once, at start."""

    @property
    def capabilities(self) -> Capabilities:
        """What the rail can carry; published in KV RAILS at start. `text_max` also says where texts are split."""

    @property
    def style(self) -> Style:
        """How texts are written there: `formatting.PLAIN`, or a markup."""

    def read_webhook(self, body: bytes) -> list[Native]:
        """A webhook's raw body -> its updates, in order. Called once its signature has been found good.

        `body` is JSON. What concerns nobody here (typing, statistics) is simply absent from the list; one bad update is
        one `Unreadable` and never spoils the others.
        """

    def post(self, post: Post) -> Call:
        """The call that makes `node` write to `peer`. Called for every part, and again for every attempt."""

    def posted(self, answer: bytes) -> Posted:
        """The body of a 2xx answer to `post` -> native ids.

        Empty ids: the answer was not understood, and the kit treats it as uncertain.
        """

    def judge(self, status: int, answer: bytes) -> Verdict:
        """Any answer to any call -> what it means. Called for direct calls and for each response in a batch."""
