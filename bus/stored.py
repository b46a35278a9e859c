"""A message as JetStream keeps it, and reading it back without a consumer: by sequence, by subject, in ranges.

Cursors and fences must be read from the stream's leader (`message_at`, `last_of`); ranges may come from any replica.
"""

import asyncio
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from bus.connection import ApiError, Connection, Delivery, NoAnswer, NotConnected

MOST_AT_ONCE = 1024
"""Messages a range or a set of subjects may ask for (the server's limit for subjects)."""

_RANGE_BYTES = 8 * 1024 * 1024
_NO_MESSAGE_FOUND = 10037
_SILENCE_S = 5.0
_EPOCH_SECONDS_CHARS = len("2026-01-01T00:00:00")


class StoredMessage(msgspec.Struct, gc=False):
    """One message of a stream. `headers` is as on the wire."""

    subject: str
    sequence: int
    at_ms: int
    data: bytes
    headers: bytes = b""

    @property
    def event_id(self) -> str | None:
        """The id it was published under (``Nats-Msg-Id``)."""
        return header(self.headers, b"Nats-Msg-Id")


def header(headers: bytes, name: bytes) -> str | None:
    """One header's value out of a header block, parsed only when asked for. Names are case-sensitive."""
    start = headers.find(b"\r\n" + name + b":")
    if start < 0:
        return None
    start += len(name) + 3
    return headers[start : headers.index(b"\r\n", start)].decode().strip()


def _servers_header(headers: bytes, name: bytes) -> str | None:
    """The last occurrence: the server appends its own, and a publisher may have sent one of the same name."""
    start = headers.rfind(b"\r\n" + name + b":")
    return header(headers[start:], name) if start >= 0 else None


def parse_time_ms(text: str) -> int:
    """Milliseconds since 1970 of the server's RFC 3339 times, which are UTC with up to nine decimals."""
    seconds = int(datetime.fromisoformat(text[:_EPOCH_SECONDS_CHARS] + "+00:00").timestamp())
    fraction = text[_EPOCH_SECONDS_CHARS:].removesuffix("Z").removeprefix(".")
    return seconds * 1000 + int((fraction + "000")[:3])


async def message_at(conn: Connection, stream: str, sequence: int) -> StoredMessage | None:
    """The message with this sequence, from the leader; None when there is none (any more)."""
    return await _get(conn, stream, {"seq": sequence})


async def last_of(conn: Connection, stream: str, subject: str) -> StoredMessage | None:
    """The last message on a subject, from the leader; None when there is none."""
    return await _get(conn, stream, {"last_by_subj": subject})


async def _get(conn: Connection, stream: str, body: Mapping[str, Any]) -> StoredMessage | None:
    try:
        found = (await conn.api(f"STREAM.MSG.GET.{stream}", body))["message"]
    except ApiError as error:
        if error.err_code == _NO_MESSAGE_FOUND:
            return None
        raise
    return StoredMessage(
        subject=found["subject"],
        sequence=found["seq"],
        at_ms=parse_time_ms(found["time"]),
        data=b64decode(found.get("data", "")),
        headers=b64decode(found.get("hdrs", "")),
    )


async def read_range(
    conn: Connection, stream: str, *, first: int, subject_filter: str = ">", limit: int = MOST_AT_ONCE
) -> list[StoredMessage]:
    """Up to `limit` messages from sequence `first` on, in order; fewer when 8 MiB are reached or the stream ends."""
    return await _direct_get(
        conn,
        stream,
        {
            "seq": max(first, 1),
            "next_by_subj": subject_filter,
            "batch": min(limit, MOST_AT_ONCE),
            "max_bytes": _RANGE_BYTES,
        },
    )


async def last_of_each(conn: Connection, stream: str, subjects: Sequence[str]) -> list[StoredMessage]:
    """The last message on each of up to 1,024 subjects; subjects without one are left out."""
    if len(subjects) > MOST_AT_ONCE:
        raise ValueError(f"{len(subjects)} subjects at once; at most {MOST_AT_ONCE} are allowed. Ask in parts.")
    return await _direct_get(conn, stream, {"multi_last": list(subjects)}) if subjects else []


async def last_directly(conn: Connection, stream: str, subject: str) -> StoredMessage | None:
    """The last message on a subject, from any replica. The subject stands in the call: a permission may name it."""
    answer = await conn.request(f"$JS.API.DIRECT.GET.{stream}.{subject}")
    sequence = _servers_header(answer.headers, b"Nats-Sequence")
    if sequence:
        return _from_direct(answer, int(sequence))
    if answer.status != b"404":
        raise _refused(stream, answer)
    return None


def _refused(stream: str, answer: Delivery) -> ApiError:
    words = answer.headers[len(b"NATS/1.0 404 ") :].split(b"\r\n")[0].decode()
    return ApiError(f"DIRECT.GET.{stream}", code=int(answer.status or 0), err_code=0, description=words or "refused")


async def _direct_get(conn: Connection, stream: str, body: Mapping[str, Any]) -> list[StoredMessage]:
    """Batched direct get: messages come to an inbox of our own until an end marker."""
    found: list[StoredMessage] = []
    links: list[int] = []
    end: asyncio.Future[Delivery | None] = asyncio.get_running_loop().create_future()

    def take(delivery: Delivery) -> None:
        # Not by status: whoever publishes may put one into a message's headers. The server's marks have no sequence.
        if sequence := _servers_header(delivery.headers, b"Nats-Sequence"):
            links.append(_behind(delivery))
            found.append(_from_direct(delivery, int(sequence)))
        elif not end.done():
            end.set_result(delivery)

    forget = conn.on_lost(lambda: None if end.done() else end.set_result(None))
    inbox = await conn.open_inbox(take)
    try:
        await conn.publish_core(f"$JS.API.DIRECT.GET.{stream}", msgspec.json.encode(body), reply=inbox.subject)
        async with asyncio.timeout(_SILENCE_S):
            last = await end
    except TimeoutError as error:
        raise NoAnswer(f"{stream}: no end of a range within {_SILENCE_S:g} s.") from error
    finally:
        forget()
        await inbox.close()
    if last is None:
        raise NotConnected(f"{stream}: the connection broke while reading a range.")
    if last.status not in {b"204", b"404"}:
        raise _refused(stream, last)
    # A message that got lost between two servers must not be taken for one that is not there.
    if [*links, _behind(last)] != [0, *(one.sequence for one in found)]:
        raise NoAnswer(f"{stream}: a range came with gaps.")
    return found


def _behind(delivery: Delivery) -> int:
    """The sequence of the message that the server sent before this one, or before its mark of the end; 0: none."""
    return int(_servers_header(delivery.headers, b"Nats-Last-Sequence") or 0)


def _from_direct(delivery: Delivery, sequence: int) -> StoredMessage:
    headers = delivery.headers
    return StoredMessage(
        subject=_servers_header(headers, b"Nats-Subject") or "",
        sequence=sequence,
        at_ms=parse_time_ms(_servers_header(headers, b"Nats-Time-Stamp") or ""),
        data=delivery.body,
        headers=headers,
    )
