"""What a rail carries, as one literal a rail: kinds of content, files, limits, times to change one's mind.

Read by `rails.kit.sending`, `rails.kit.edits` and `rails.kit.reactions`; told to people in docs/rail-api.md.
"""

from collections.abc import Mapping

import msgspec

from rails.kit.content import MediaKind

KIB = 1024
MIB = 1024 * 1024
MINUTE_MS = 60 * 1000
DAY_MS = 24 * 3600 * 1000

TEXT_AND_OFFICE = frozenset(
    {
        "text/plain",
        "application/pdf",
        "application/msword",
        "application/vnd.ms-excel",
        "application/vnd.ms-powerpoint",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    }
)


class MediaRule(msgspec.Struct, frozen=True, kw_only=True):
    """Files of one kind: their types (None: any) and size over the Platform API.

    `business_mimes`: what a business may send, if less; `app_max_bytes`: what people's apps may send, if more.
    """

    mimes: frozenset[str] | None
    max_bytes: int
    max_animated_bytes: int | None = None
    app_max_bytes: int = 0
    caption_length: int = 0
    business_mimes: frozenset[str] | None = None
    people_only: bool = False

    def takes_from(self, mime: str, *, is_business: bool) -> bool:
        mimes = self.mimes_from(is_business=is_business)
        return mimes is None or mime in mimes

    def mimes_from(self, *, is_business: bool) -> frozenset[str] | None:
        """The types taken from a business, or from a person; None: any."""
        return self.business_mimes if is_business and self.business_mimes is not None else self.mimes

    def limit_bytes(self, *, animated: bool, from_app: bool = False) -> int:
        most = self.max_animated_bytes if animated and self.max_animated_bytes is not None else self.max_bytes
        return max(most, self.app_max_bytes) if from_app else most


class Abilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a rail offers beyond plain text.

    `aliases`: a kind that is taken and shown as another. `kinds`: content without files (`location`, `contacts`,
    `poll`, `like_heart`). `album_kinds`: what may stand in an album of at most `album_length`. Times count from the
    rail's own time of the message; None is at any age. `has_markup`: texts may hold markup, be forwarded and previewed.
    `group_length`: how many may be in a group. `links_need_token`: the address of a file is not enough to fetch it.
    `vanishes`: messages whose time is over are taken back by the rail itself (`rails.kit.expiring`).
    """

    media: Mapping[MediaKind, MediaRule]
    aliases: Mapping[MediaKind, MediaKind] = {}
    kinds: frozenset[str] = frozenset()
    album_kinds: frozenset[MediaKind] = frozenset()
    album_length: int = 10
    edit_within_ms: int = 15 * MINUTE_MS
    edit_most: int | None = None
    group_length: int = 250
    unsend_within_ms: int | None = None
    reaction_within_ms: int | None = None
    has_markup: bool = False
    links_need_token: bool = False
    vanishes: bool = False

    def rule_of(self, word: str) -> MediaRule | None:
        """The rule of a kind as the platforms call it; None when it is none (a MIME type, say)."""
        kind = "document" if word.lower() == "file" else word.lower()
        return next((rule for known, rule in self.media.items() if known == kind), None)

    @property
    def largest_bytes(self) -> int:
        """The largest file of any kind over the Platform API."""
        return max(max(rule.max_bytes, rule.max_animated_bytes or 0) for rule in self.media.values())

    @property
    def app_largest_bytes(self) -> int:
        """The largest file that somebody's app may bring."""
        return max(self.largest_bytes, *(rule.app_max_bytes for rule in self.media.values()))
