"""Capabilities: what a rail can carry, as one literal a rail that a reviewer can audit without reading code.

What is claimed here is shown by `tests/conformance/`, in both directions: everything claimed works, and what is not
claimed arrives as the next best thing.
"""

from enum import StrEnum
from typing import Literal

import msgspec

from schemas.content import MarkKind, MediaKind
from schemas.ids import RailName


class Level(StrEnum):
    """How well a rail carries a feature, worst first."""

    REFUSED = "refused"
    """Cannot be shown in any form; whoever sent it is told."""
    DROPPED = "dropped"
    """Left out, and the leg says so."""
    FALLBACK = "fallback"
    """Shown in words."""
    PARTIAL = "partial"
    """Carried, within limits or not in all its parts."""
    FULL = "full"

    @property
    def is_native(self) -> bool:
        """Whether the rail itself carries the feature, perhaps within limits."""
        return self in (Level.PARTIAL, Level.FULL)


class MediaLimit(msgspec.Struct, frozen=True, kw_only=True):
    """What a rail takes of one kind of media. What is larger, or of another type, goes as a link."""

    mimes: tuple[str, ...]
    """Types taken as this kind."""
    max_bytes: int
    animated_max_bytes: int = 0
    """Stickers that move, if they may be larger; 0: as the others."""
    caption_max: int = 0
    """Characters of caption in the same message; 0: a caption is a message of its own."""


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """One rail's capability document, published in KV RAILS."""

    rail: RailName
    version: int
    text_max: int
    """The longest text that one post of ours takes, in `text_unit`; what is longer goes in parts."""
    text_unit: Literal["characters", "bytes"]
    app_text_max: int = 0
    """The characters that people there may write in one message, where that is more than a post of ours may have: an
    edit in place takes as many. 0: `text_max` holds for all."""
    text: Level = Level.FULL
    reply: Level = Level.DROPPED
    delivered: Level = Level.DROPPED
    """Whether the rail can show that a message has been delivered."""
    read: Level = Level.DROPPED
    order: Level = Level.DROPPED
    """Whether the rail shows the federation's order where its own differs."""
    marks: dict[MarkKind, Level] = {}
    """Formatting; a kind that is not here is shown as plain words, or in words (`FALLBACK`)."""
    media: dict[MediaKind, MediaLimit] = {}
    """A kind that is not here goes as a document where there are documents, else as a link."""
    album_most: int = 1
    """Files in one message."""
    album_kinds: tuple[MediaKind, ...] = ()
    """What may be in such a message; empty: whatever the rail takes by itself."""
    location: Level = Level.FALLBACK
    contacts: Level = Level.FALLBACK
    poll: Level = Level.FALLBACK
    forwarded: Level = Level.DROPPED
    preview: Level = Level.DROPPED
    edit: Level = Level.FALLBACK
    edit_within_s: int = 0
    """0: at any age."""
    edit_most: int = 0
    """How often one message may be edited; 0: any number of times."""
    unsend: Level = Level.FALLBACK
    unsend_within_s: int = 0
    reaction: Level = Level.FALLBACK
    reaction_most: int = 1
    """Reactions a person and message."""
    reaction_emoji: tuple[str, ...] = ()
    """The emoji it can show; empty: any."""
    groups: Level = Level.DROPPED
    group_most: int = 0
    """Members of one group."""
    typing: Level = Level.DROPPED
    presence: Level = Level.DROPPED
    """Whether somebody is there, and when they last were."""
