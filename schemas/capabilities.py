"""Capabilities: what a rail can carry, as one literal a rail that a reviewer can audit without reading code."""

from enum import StrEnum
from typing import Literal

import msgspec

from schemas.ids import RailName


class Level(StrEnum):
    """How well a rail carries a feature, worst first."""

    REFUSED = "refused"
    DROPPED = "dropped"
    FALLBACK = "fallback"
    PARTIAL = "partial"
    FULL = "full"


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """One rail's capability document, published in KV RAILS."""

    rail: RailName
    version: int
    text_max: int
    text_unit: Literal["characters", "bytes"]
    text: Level = Level.FULL
    reply: Level = Level.DROPPED
    delivered: Level = Level.DROPPED
    """Whether the rail can show that a message has been delivered."""
    read: Level = Level.DROPPED
    order: Level = Level.DROPPED
    """Whether the rail shows the federation's order where its own differs."""
