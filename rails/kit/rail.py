"""What makes a rail that rail: one declarative description, and the pure functions of its wire format.

The kit is handed a `Rail` and never asks which one it is. `rails/<name>/rail.py` fills it in.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from rails.kit.abilities import Abilities
from rails.kit.content import File, Offer
from rails.kit.model import Account, Changed, Failed, Posted, Reacted, Received, Why
from rails.kit.sending import Sent

if TYPE_CHECKING:
    from rails.kit.edges import EdgeCall

Json = dict[str, Any]


def in_characters(text: str) -> int:
    """Unicode code points. Raises `UnicodeEncodeError` for half a surrogate pair."""
    return len(text.encode("utf-32-le")) // 4


def in_bytes(text: str) -> int:
    """Bytes of UTF-8. Raises `UnicodeEncodeError` for half a surrogate pair."""
    return len(text.encode())


class TextLimit(msgspec.Struct, frozen=True, kw_only=True):
    """How long a text may be, and in which unit the platform counts."""

    size: int
    unit: str = "characters"
    measure: Callable[[str], int] = in_characters


class GraphError(msgspec.Struct, frozen=True, kw_only=True):
    """How the platform says one kind of no: HTTP status, code, subcode, words."""

    http: int
    code: int
    subcode: int | None = None
    message: str


class NewAccount(msgspec.Struct, frozen=True, kw_only=True):
    """Ids for an account to be."""

    id: str
    second_id: str | None = None


class Ids(msgspec.Struct, frozen=True, kw_only=True):
    """The makers of native ids. Only `person` and `business` may depend on the address."""

    person: Callable[[str], NewAccount]
    business: Callable[[str], NewAccount]
    ghost: Callable[[], NewAccount]
    message: Callable[[], str]
    group: Callable[[], str]
    business_address: Callable[[str], str]
    """A free-looking address for a business of that name that brought none."""


class PostText(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Write to `to` (an id or address as the platform writes them). `opaque` comes back in the echo.

    With `content`, the text is empty: a caption is the content's own.
    """

    to: str
    text: str = ""
    reply_to: str | None = None
    opaque: str | None = None
    content: Sent | Offer | None = None
    preview: bool = False


class MarkRead(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Read up to one message (`native_id`), or everything from `peer`; `typing`: an answer is being typed, too."""

    native_id: str | None = None
    peer: str | None = None
    typing: bool = False


class Typing(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Show `peer` that an answer is being typed, or no longer."""

    peer: str
    on: bool


class React(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """React to a message, or take it back (no emoji). `to`: the other one, as the platform writes them."""

    to: str
    native_id: str
    emoji: str = ""


Act = PostText | MarkRead | Typing | React
Entry = Mapping[str, Any]


class Wire(Protocol):
    """The platform's format, as pure functions: native event -> webhook entries, request body -> act, act -> answer."""

    def received(self, event: Posted) -> Entry:
        """The entry that tells the account written to."""

    def echo(self, event: Posted) -> Entry:
        """The entry that tells the one who posted it (as a business or as the partner)."""

    def receipts(self, event: Received) -> list[Entry]:
        """The entries that tell the author how far the messages came; none where the platform has no such receipt."""

    def failed(self, event: Failed) -> list[Entry]:
        """The entries that tell the author of a failure; none where the platform has no such report."""

    def edited(self, event: Changed) -> list[Entry]:
        """The entries that tell the recipient of an edit; none where the platform has no such webhook."""

    def unsent(self, event: Changed) -> list[Entry]:
        """The same for a message that was taken back."""

    def reacted(self, event: Reacted) -> list[Entry]:
        """The entries that tell the other one of a reaction."""

    def reacted_echo(self, event: Reacted) -> list[Entry]:
        """The entries that tell a business what became of its own reaction."""

    def media_answer(self, file: File, url: str) -> Json | None:
        """The answer to ``GET /{media id}``; None where the platform has no such call."""

    def uploaded_answer(self, media_id: str) -> Json:
        """The answer to an upload."""

    def parse_act(self, body: Json) -> Act:
        """What a ``POST /{node}/messages`` asks for. Raises `Refused`."""

    def posted_answer(self, act: PostText, recipient: Account, native_id: str) -> Json:
        """The answer to a text that was taken."""

    def done_answer(self, act: MarkRead | Typing) -> Json:
        """The answer to a read mark or a typing sign."""

    def reacted_answer(self, act: React, recipient: Account, event_id: str) -> Json:
        """The answer to a reaction."""

    def find_recipient(self, to: str) -> tuple[str, str]:
        """Which column of accounts (``id``, ``handle`` or ``second_id``) has to equal what. Raises `Refused`."""

    def profile(self, account: Account) -> Json:
        """All fields of ``GET /{id}``; the caller picks those asked for."""

    def error_body(self, error: GraphError, text: str, trace: str) -> Json:
        """The platform's error body."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A Platform API edge, ``{method} {node}/{edge}``, answered within one transaction."""

    method: str
    edge: str
    handle: "Callable[[EdgeCall], Json]"


class Rail(msgspec.Struct, frozen=True, kw_only=True):
    """One messaging service, described. Everything the kit needs to know about it.

    `normalise_address` folds an address to its one spelling and raises `ValueError` with the rule when it is none.
    `text_limit` is the platform's for a post over its API; `app_text_limit` what people may write in one message, and
    what an edit takes.
    `shows_delivered`: people see a delivered status (and the wire has one). `routes` are Platform API edges beyond
    the kit's own. `node_of`: the account behind an id in a path, where the platform gives a business several ids;
    `node_extras` tells them to who makes a business.
    """

    name: str
    title: str
    webhook_object: str
    address_example: str
    text_limit: TextLimit
    app_text_limit: TextLimit
    shows_delivered: bool
    ids: Ids
    wire: Wire
    errors: Mapping[Why, GraphError]
    abilities: Abilities
    normalise_address: Callable[[str], str]
    routes: tuple[Route, ...] = ()
    node_of: Callable[[str], str] = str
    node_extras: Callable[[Account], dict[str, str]] = lambda _: {}
