"""Bytes on the bus: msgpack, one encoder and one decoder a type, made once.

A decoder raises `NotUnderstood` on anything it cannot read, whatever the bytes: a poison message is a value to be
parked, so one exception type is enough (deep nesting raises RecursionError in every parser, and is caught here).
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec

from schemas.capabilities import Capabilities
from schemas.dead import Letter, Note, Redriven
from schemas.errors import NotUnderstood
from schemas.events import AnyEvent
from schemas.ids import RailName
from schemas.live import Presence, Typing
from schemas.log import Conversation, Leg, Record, Seat
from schemas.people import Person

_encoder = msgspec.msgpack.Encoder()
encode = _encoder.encode
"""Any schema value -> msgpack bytes."""

_UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError, OverflowError)

T = TypeVar("T")


def _reader(of: type[T] | Any, what: str) -> Callable[[bytes | msgspec.Raw], T]:
    decoder = msgspec.msgpack.Decoder(of)

    def decode(payload: bytes | msgspec.Raw) -> T:
        try:
            return cast("T", decoder.decode(payload))
        except _UNREADABLE as error:
            raise NotUnderstood(f"not {what}: {error}") from error

    decode.__doc__ = f"msgpack bytes -> {what}. Raises `NotUnderstood`."
    return decode


decode_event: Callable[[bytes | msgspec.Raw], AnyEvent] = _reader(AnyEvent, "an event")
decode_record: Callable[[bytes | msgspec.Raw], Record] = _reader(Record, "a log record")
decode_legs: Callable[[bytes | msgspec.Raw], dict[RailName, Leg]] = _reader(dict[RailName, Leg], "legs")
decode_seats: Callable[[bytes | msgspec.Raw], tuple[Seat, ...]] = _reader(tuple[Seat, ...], "seats")
decode_person: Callable[[bytes | msgspec.Raw], Person] = _reader(Person, "a person")
decode_conversation: Callable[[bytes | msgspec.Raw], Conversation] = _reader(Conversation, "a conversation")
decode_capabilities: Callable[[bytes | msgspec.Raw], Capabilities] = _reader(Capabilities, "capabilities")
decode_letter: Callable[[bytes | msgspec.Raw], Letter] = _reader(Letter, "a dead letter")
decode_note: Callable[[bytes | msgspec.Raw], Note] = _reader(Note, "a note on a dead letter")
decode_presence: Callable[[bytes | msgspec.Raw], Presence] = _reader(Presence, "a sign of presence")
decode_typing: Callable[[bytes | msgspec.Raw], Typing] = _reader(Typing, "a sign of typing")
decode_redriven: Callable[[bytes | msgspec.Raw], Redriven] = _reader(Redriven, "an answer to a redrive")


def to_plain(value: object) -> Any:
    """Any schema value as dicts, lists and scalars that JSON can hold, raw members opened in their place."""
    return _opened(msgspec.to_builtins(value, builtin_types=(msgspec.Raw,)))


def _opened(value: object) -> object:
    if isinstance(value, msgspec.Raw):
        return msgspec.msgpack.decode(value)
    if isinstance(value, dict):
        return {key: _opened(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_opened(item) for item in value]
    return value
