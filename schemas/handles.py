"""Handles: ``rail:address``, the name of one account wherever people or programs name one.

Folding makes equal what people write differently; it knows no rail, only two habits that hold for all:
an address that begins with ``+`` is a phone number (E.164, so only digits count), any other is
case-insensitive. Whether an address is *valid* is for its rail to say.
"""

import re
from typing import NewType

from schemas.errors import BadHandle
from schemas.ids import RailName

Handle = NewType("Handle", str)
"""A folded handle, e.g. ``whatsapp:+393331112222``, ``messenger:bob.rossi``, ``instagram:@bob``."""

_RAIL = re.compile(r"[a-z][a-z0-9-]{0,31}")
_PHONE_NOISE = re.compile(r"[\s().\-/]")


def parse(text: str) -> Handle:
    """The handle in ``text``, folded. Raises `BadHandle` with an example when it is none."""
    rail, colon, address = text.strip().partition(":")
    rail, address = rail.strip().lower(), address.strip()
    if not colon or not _RAIL.fullmatch(rail) or not address:
        raise BadHandle(text)
    return Handle(f"{rail}:{fold(address)}")


def make(rail: str, address: str) -> Handle:
    """The handle of an address on a rail; the address is folded, not judged."""
    return Handle(f"{rail}:{fold(address)}")


def fold(address: str) -> str:
    """One spelling for one address."""
    if address.startswith("+"):
        return _PHONE_NOISE.sub("", address)
    return address.lower()


def rail_of(handle: str) -> RailName:
    """The rail a handle is on."""
    return RailName(handle.partition(":")[0])


def address_of(handle: str) -> str:
    """The address within its rail."""
    return handle.partition(":")[2]
