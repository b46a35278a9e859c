"""Reading JSON of which a part may be unreadable: one bad update never spoils the others.

Structs name only the members that we use, all with defaults where the platform may leave them out; lists of updates are
`Raw`, so each is decoded on its own.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import msgspec

from bridges.kit.contract import Native, Unreadable

UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError, OverflowError)
"""All that a msgspec decoder raises for bytes it was not made for."""

T = TypeVar("T")


def each(
    decoder: msgspec.json.Decoder[T], raws: Iterable[msgspec.Raw], read: Callable[[T], Iterable[Native]]
) -> Iterator[Native]:
    """Decode and read every update by itself; one that fails becomes an `Unreadable`."""
    for raw in raws:
        try:
            found = list(read(decoder.decode(raw)))
        except UNREADABLE as error:
            found = [Unreadable(reason=str(error) or type(error).__name__, raw=bytes(raw))]
        yield from found


def whole(decoder: msgspec.json.Decoder[T], body: bytes, read: Callable[[T], Iterable[Native]]) -> list[Native]:
    """Decode and read one document; if its frame itself cannot be read, it is one `Unreadable`."""
    return list(each(decoder, [msgspec.Raw(body)], read))


class Refused(ValueError):
    """Raised by a reader for an update that decodes but cannot be used; its text becomes the `Unreadable` reason."""
