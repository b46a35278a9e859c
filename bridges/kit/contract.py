"""What a rail's file must offer, and the values that cross its border.

A `Translator` is pure: bytes and values in, values out; no clock, no I/O, no state. Everything that takes time or can
fail (HTTP, SQLite, the bus) is the kit's. A translator that meets something it does not know says so with
`Unreadable`; it raises nothing.

Two words: a *node* is the account that acts or is written to (the id in the platform's paths and metadata), its
*peer* the other account of the thread. All ids here are native ids of one rail.
"""

from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from bridges.kit.downgrade import Piece
from bridges.kit.formatting import Style
from schemas.capabilities import Capabilities
from schemas.content import Contacts, Location, MediaKind, Poll, Text, Unsupported
from schemas.ids import RailName
from schemas.markers import Mark, MarkerKind
from schemas.vanishing import Expiry


class NativeMedia(msgspec.Struct, frozen=True, kw_only=True):
    """A file as the rail describes it; the kit fetches it. What is empty (0, False) the rail has not said."""

    kind: MediaKind
    ref: str = ""
    """What the rail is asked by for an address (`Translator.locator`); empty when only `url` leads there."""
    url: str = ""
    """Where the bytes are, for a while. Only addresses of the rail's own origin are followed."""
    mime: str = ""
    """What it is called; what it is, is found out from its bytes."""
    sha256: str = ""
    """Lower-case hex."""
    size_bytes: int = 0
    name: str = ""
    animated: bool = False


class NativeFiles(msgspec.Struct, frozen=True, kw_only=True, tag="files", tag_field="type"):
    """Files that came as one message, before they are fetched: one becomes a `Media`, several an `Album`."""

    items: tuple[NativeMedia, ...]
    caption: Text | None = None


NativeContent: TypeAlias = Text | NativeFiles | Location | Contacts | Poll | Unsupported


class NativeMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wrote to `recipient`. `at_ms` is the rail's own timestamp, in whatever precision the wire has."""

    native_id: str
    author: str
    recipient: str
    content: NativeContent
    at_ms: int
    reply_to: str = ""
    """The native id of the message answered; empty for none."""
    forwarded: Literal[0, 1, 2] = 0
    expires: Expiry | None = None
    """When it is to go, where the rail can say so."""


class _NativeTarget(msgspec.Struct, frozen=True, kw_only=True):
    """What has been done to an earlier message, by `actor`, in their thread with `peer`."""

    native_id: str
    """The message (any part of it) that it is about."""
    actor: str
    peer: str
    at_ms: int
    name: str
    """What tells it from others of its kind about the same message: the rail's own id for it, a number or a time."""


class NativeEdit(_NativeTarget, frozen=True, kw_only=True):
    """The author says it otherwise: `text` is all of it as it is from now on."""

    text: Text


class NativeUnsend(_NativeTarget, frozen=True, kw_only=True):
    """The author takes it back."""


class NativeReaction(_NativeTarget, frozen=True, kw_only=True):
    """One emoji, in place of an earlier one; empty: taken back."""

    emoji: str


class NativeVote(_NativeTarget, frozen=True, kw_only=True):
    """The actor's choice in a poll, in place of an earlier one: indices from 0."""

    options: tuple[int, ...]


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
    kind: Literal["person", "business", "ghost", "group"]
    federated: bool
    key: str = ""
    """Ghosts: what we called it when it was made (a person id)."""


class NativeGroup(msgspec.Struct, frozen=True, kw_only=True):
    """People have made a group, or done something to one. `by`, `who`: accounts."""

    native_id: str
    key: str
    """What we have called it; empty: it was made there."""
    change: Literal["made", "add", "leave", "remove", "ban", "unban", "admin", "member", "changed", "closed"]
    by: str
    who: tuple[str, ...]
    name: str
    until_ms: int
    number: int
    """Rises with every change of the group: what tells one from another."""
    at_ms: int


class NativeBlock(msgspec.Struct, frozen=True, kw_only=True):
    """`blocker` does not want to hear from `blocked` (or does again)."""

    blocker: str
    blocked: str
    on: bool
    at_ms: int


class NativeTimer(msgspec.Struct, frozen=True, kw_only=True):
    """`actor` wants what is written in their thread with `peer` from now on to go by itself; both 0: no longer."""

    actor: str
    peer: str
    after_s: int
    after_read_s: int
    at_ms: int


class NativeFailure(msgspec.Struct, frozen=True, kw_only=True):
    """A post that was accepted has failed after all. Only rails that answer before they deliver have these."""

    native_id: str
    code: str
    text: str


class NativeMark(msgspec.Struct, frozen=True, kw_only=True):
    """`actor` has marked their thread with `peer`, or taken that back; one more `epoch` with every change."""

    actor: str
    peer: str
    mark: Mark
    on: bool
    epoch: int


class NativeTyping(msgspec.Struct, frozen=True, kw_only=True):
    """`actor` is writing to `peer`, or no longer. Never kept, and never told twice."""

    actor: str
    peer: str
    on: bool


class NativePresence(msgspec.Struct, frozen=True, kw_only=True):
    """The app of `actor` shows them as being there, or no longer. Never kept, and never told twice."""

    actor: str
    on: bool


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """One update that could not be read; parked with its bytes, and the rest goes on."""

    reason: str
    raw: bytes


NativeTarget: TypeAlias = NativeEdit | NativeUnsend | NativeReaction | NativeVote
Lasting: TypeAlias = (
    NativeMessage
    | NativeTarget
    | NativeEcho
    | NativeReceipt
    | NativeAccount
    | NativeGroup
    | NativeBlock
    | NativeTimer
    | NativeFailure
    | NativeMark
    | Unreadable
)
"""What is claimed, and never lost."""

Native: TypeAlias = Lasting | NativeTyping | NativePresence


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP call to the rail. `path` begins with a slash; the kit adds origin and credentials."""

    method: Literal["GET", "POST", "PUT"]
    path: str
    headers: dict[str, str] = {}
    body: Any = None
    """JSON; None for no body."""


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """A message (or one part of one) to be written by `node` to `peer`."""

    node: str
    peer: str
    """The other account, or with `in_group` the native group."""
    piece: Piece
    key: str
    """Idempotency key: the same key is the same message, however often it is sent."""
    opaque: str
    """Comes back in the echo."""
    order: int
    """The message's rank in the whole federation."""
    sent_at_ms: int
    """When its author sent it; shown to people."""
    reply_to: str = ""
    forwarded: Literal[0, 1, 2] = 0
    in_group: bool = False
    uploads: dict[str, str] = {}
    """SHA-256 of each file of the piece -> what the rail called it when it was uploaded."""
    expires: Expiry | None = None
    """When it is to go, as was decided when it was written; we take it back ourselves in any case."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A file that `node` is about to show as `kind`. `mime`: what it was found to be."""

    node: str
    kind: MediaKind
    mime: str


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """How a file is given to the rail: one multipart form, the file in `file_field` after the other fields."""

    path: str
    fields: dict[str, str]
    file_field: str
    lasts_s: int
    """How long the rail remembers it, at least."""


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
    """The platform's number, or the federation extension's word (``too_old``, ``not_found``, ...)."""
    text: str = ""


class Locator(Protocol):
    """How a rail is asked where a file is (`NativeMedia.ref`), when its webhook named no address or an old one."""

    def locate(self, ref: str) -> Call:
        """The call that asks."""

    def located(self, answer: bytes) -> str:
        """The body of a 2xx answer to it -> the address; empty when there is none."""


class Translator(Protocol):
    """One rail's wire format. All members are mandatory; each is called from one place of the kit."""

    @property
    def rail(self) -> RailName:
        """The rail's name as it stands in handles, subjects and settings. Read once, at start."""

    @property
    def capabilities(self) -> Capabilities:
        """What the rail can carry; published in KV RAILS at start. What is posted has been fitted to it."""

    @property
    def style(self) -> Style:
        """How the rail's app writes bold, lists and the like; `formatting.PLAIN` for one that has no markup."""

    def read_webhook(self, body: bytes) -> list[Native]:
        """A webhook's raw body -> its updates, in order. Called once its signature has been found good.

        `body` is JSON. What concerns nobody here (statistics) is simply absent from the list; one bad update is
        one `Unreadable` and never spoils the others.
        """

    def post(self, post: Post) -> Call:
        """The call that makes `node` write to `peer`. Called for every part, and again for every attempt.

        Only pieces that `capabilities` allows come here; every file of them has been uploaded.
        """

    def posted(self, answer: bytes) -> Posted:
        """The body of a 2xx answer to `post` -> native ids.

        Empty ids: the answer was not understood, and the kit treats it as uncertain.
        """

    def react(self, *, node: str, peer: str, native_id: str, emoji: str) -> Call:
        """The call that shows `node`'s one reaction to a message; empty: takes it back. May be repeated."""

    @property
    def locator(self) -> Locator | None:
        """For rails whose files are found by asking; None on those whose webhooks always say where they are."""

    def upload(self, offer: Offer) -> Upload:
        """How a file is uploaded before a post shows it. Called once a file and rail, until it is forgotten there."""

    def uploaded(self, answer: bytes) -> str:
        """The body of a 2xx answer to an upload -> the file's name in posts; empty: not understood, tried again."""

    def judge(self, status: int, answer: bytes) -> Verdict:
        """Any answer to any call -> what it means. Called for direct calls and for each response in a batch."""
