"""A nats-server in memory: subscriptions, streams, consumers and the part of the API that `bus/` calls.

Links are the connections of clients (see `wire`). Everything here happens at once, when a link hands over a line; how
long lines take on their way is the wire's. A restart keeps what is stored, and nothing else.
"""

import random
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from bus.stored import header
from tests.simulation.clock import Process, VirtualLoop
from tests.simulation.consumers import Consumer, Pull
from tests.simulation.jetstream import NO_CONSUMER, NO_MESSAGE, NO_STREAM, Kept, Refused, Stream, matches

STARTED_AT_NS = 1_790_000_000_000_000_000
_NS = 1_000_000_000
_API, _DIRECT, _NEXT = b"$JS.API.", b"$JS.API.DIRECT.GET.", b"$JS.API.CONSUMER.MSG.NEXT."
_RESET = b"$JS.API.CONSUMER.RESET."
_EOB = b"NATS/1.0 204 EOB\r\nNats-Last-Sequence: %d\r\n\r\n"
_NOT_FOUND = b"NATS/1.0 404 Message Not Found\r\n\r\n"


class Link(Protocol):
    """A client's connection, as the server sees it."""

    def deliver(self, sid: int, subject: bytes, reply: bytes, headers: bytes, body: bytes) -> None: ...

    def cut(self, *, noticed_after_s: float) -> None: ...


class Server:
    """One server. `chance`: what a killed one forgets is drawn from it."""

    def __init__(self, loop: VirtualLoop, chance: random.Random) -> None:
        self._loop, self._chance = loop, chance
        self.process = Process("nats-server")
        self.is_up = True
        self.clock_ns = STARTED_AT_NS
        """What its clock shows when the loop's shows 0."""
        self.streams: dict[str, Stream] = {}
        self.consumers: dict[tuple[str, str], Consumer] = {}
        self.links: dict[Link, None] = {}
        self._subscriptions: dict[bytes, dict[tuple[Link, int], None]] = {}
        self._patterns: dict[bytes, Callable[[bytes], bool]] = {}
        self._streams_of: dict[bytes, Stream | None] = {}
        self._batches: dict[str, list[tuple[bytes, bytes, bytes]]] = {}
        self._answers: dict[str, Callable[[str, dict[str, Any]], dict[str, Any]]] = {
            "STREAM.INFO": self._stream_info,
            "STREAM.CREATE": self._stream_create,
            "STREAM.MSG.GET": self._message_get,
            "STREAM.MSG.DELETE": self._message_delete,
            "STREAM.PURGE": self._purge,
            "CONSUMER.CREATE": self._consumer_create,
            "CONSUMER.RESET": self._consumer_reset,
            "CONSUMER.INFO": self._consumer_info,
            "CONSUMER.DELETE": self._consumer_delete,
        }

    def now_ns(self) -> int:
        """Its clock."""
        return self.clock_ns + int(self._loop.time() * _NS)

    def copy_from(self, other: "Server") -> None:
        """Begin with what another one has stored."""
        self.streams = {name: stream.copy(self.now_ns) for name, stream in other.streams.items()}
        for (stream, name), consumer in other.consumers.items():
            if consumer.is_durable:
                self._add_consumer(stream, name, after=0, takes=consumer._takes, is_durable=True)

    def restart(self) -> None:
        """Killed, and there again: only what was stored is left, and of consumers' progress not even all."""
        for link in list(self.links):
            link.cut(noticed_after_s=0.0)
        self.links.clear()
        self._subscriptions.clear()
        self._patterns.clear()
        self._batches.clear()
        kept = [(key, consumer) for key, consumer in self.consumers.items() if consumer.is_durable]
        self.consumers = {}
        for (stream, name), consumer in kept:
            self._add_consumer(
                stream, name, after=self._chance.randint(0, consumer.after), takes=consumer._takes, is_durable=True
            )

    # --- lines of clients ---

    def subscribe(self, link: Link, sid: int, pattern: bytes) -> None:
        self._subscriptions.setdefault(pattern, {})[link, sid] = None
        if b">" in pattern or b"*" in pattern.rpartition(b".")[0]:
            self._patterns[pattern] = matches(pattern)

    def unsubscribe(self, link: Link, sid: int, pattern: bytes) -> None:
        listeners = self._subscriptions.get(pattern, {})
        listeners.pop((link, sid), None)
        if not listeners:
            self._subscriptions.pop(pattern, None)
            self._patterns.pop(pattern, None)
        for consumer in self.consumers.values():
            consumer.forget(lambda inbox: inbox in self._subscriptions)

    def gone(self, link: Link) -> None:
        """A connection has ended."""
        self.links.pop(link, None)
        for pattern, listeners in list(self._subscriptions.items()):
            for listener in [one for one in listeners if one[0] is link]:
                self.unsubscribe(link, listener[1], pattern)

    def publish(self, subject: bytes, reply: bytes, headers: bytes, body: bytes) -> None:
        """A client's message: an API call, something to be stored, or for whoever listens."""
        if subject.startswith(_API):
            self._api(subject, reply, body)
            return
        stream = self._stream_of(subject)
        if stream is not None:
            answer = self._put(stream, subject, headers, body)
            if reply and answer is not None:
                self._send(reply, reply, b"", b"", msgspec.json.encode(answer))
            self._serve(stream)
        elif not self._send(subject, subject, reply, headers, body) and reply:
            self._send(reply, reply, b"", b"NATS/1.0 503\r\n\r\n", b"")

    def _send(self, to: bytes, subject: bytes, reply: bytes, headers: bytes, body: bytes) -> bool:
        """To all who listen; whether there was anybody."""
        found = list(self._subscriptions.get(to, ()))
        found += self._subscriptions.get(to.rpartition(b".")[0] + b".*", ())
        for pattern, fits in self._patterns.items():
            if fits(to):
                found += self._subscriptions[pattern]
        for link, sid in found:
            link.deliver(sid, subject, reply, headers, body)
        return bool(found)

    def _stream_of(self, subject: bytes) -> Stream | None:
        if subject not in self._streams_of:
            fitting = [
                stream
                for stream in self.streams.values()
                if any(matches(taken.encode())(subject) for taken in stream.config["subjects"])
            ]
            self._streams_of[subject] = fitting[0] if fitting else None
        return self._streams_of[subject]

    def _put(self, stream: Stream, subject: bytes, headers: bytes, body: bytes) -> dict[str, Any] | None:
        if headers and (batch := header(headers, b"Nats-Batch-Id")):
            return self._put_in_batch(stream, batch, subject, headers, body)
        try:
            sequence, is_duplicate = stream.put(subject, headers, body)
        except Refused as refused:
            return {"error": refused.error, "stream": stream.name, "seq": 0}
        answer: dict[str, Any] = {"stream": stream.name, "seq": sequence}
        return {**answer, "duplicate": True} if is_duplicate else answer

    def _put_in_batch(
        self, stream: Stream, batch: str, subject: bytes, headers: bytes, body: bytes
    ) -> dict[str, Any] | None:
        """All or none; one duplicate in it, and it is refused whole."""
        self._batches.setdefault(batch, []).append((subject, headers, body))
        if header(headers, b"Nats-Batch-Commit") is None:
            return None
        items = self._batches.pop(batch)
        if len(items) != int(header(headers, b"Nats-Batch-Sequence") or 0):
            return {"error": {"code": 400, "err_code": 10176, "description": "batch is incomplete"}}
        ids = [header(one, b"Nats-Msg-Id") or "" for _, one, _ in items]
        if len(set(ids)) < len(ids) or any(stream.stored_as(name) is not None for name in ids):
            return {"error": {"code": 400, "err_code": 10201, "description": "batch contains a duplicate"}}
        for item in items:
            stream.put(*item)
        return {"stream": stream.name, "seq": stream.last, "batch": batch, "count": len(items)}

    def _serve(self, stream: Stream) -> None:
        for (name, _), consumer in self.consumers.items():
            if name == stream.name:
                consumer.serve()

    # --- the API ---

    def _api(self, subject: bytes, reply: bytes, body: bytes) -> None:
        if subject.startswith(_NEXT):
            self._next(subject, reply, msgspec.json.decode(body))
        elif subject.startswith(_RESET) and tuple(subject[len(_RESET) :].decode().split(".")) not in self.consumers:
            return  # the real one does not answer either
        elif subject.startswith(_DIRECT):
            self._direct(subject[len(_DIRECT) :].decode(), reply, msgspec.json.decode(body) if body else {})
        else:
            words = subject[len(_API) :].decode().split(".")
            verb = ".".join(words[: 3 if words[1] == "MSG" else 2])
            rest = ".".join(words[3 if words[1] == "MSG" else 2 :])
            try:
                answer = self._answers[verb](rest, msgspec.json.decode(body) if body else {})
            except Refused as refused:
                answer = {"error": refused.error}
            self._send(reply, reply, b"", b"", msgspec.json.encode(answer))

    def _stream(self, name: str) -> Stream:
        if name not in self.streams:
            raise Refused(404, NO_STREAM, "stream not found")
        return self.streams[name]

    def _stream_info(self, name: str, asked: dict[str, Any]) -> dict[str, Any]:
        stream = self._stream(name)
        state = {"first_seq": stream.first, "last_seq": stream.last, "messages": len(stream), "bytes": 0}
        if "subjects_filter" in asked:
            fits = matches(asked["subjects_filter"].encode())
            state["subjects"] = {
                subject.decode(): count for subject, count in stream.subjects().items() if fits(subject)
            }
        return {"config": stream.config, "state": state}

    def _stream_create(self, name: str, config: dict[str, Any]) -> dict[str, Any]:
        self.streams[name] = Stream(config, self.now_ns)
        self._streams_of.clear()
        return self._stream_info(name, {})

    def _message_get(self, name: str, asked: dict[str, Any]) -> dict[str, Any]:
        stream = self._stream(name)
        kept = stream.newest(asked["last_by_subj"].encode()) if "last_by_subj" in asked else stream.at(asked["seq"])
        if kept is None:
            raise Refused(404, NO_MESSAGE, "no message found")
        message: dict[str, Any] = {"subject": kept.subject.decode(), "seq": kept.sequence, "time": _time(kept.at_ns)}
        if kept.headers:
            message["hdrs"] = b64encode(kept.headers).decode()
        if kept.body:
            message["data"] = b64encode(kept.body).decode()
        return {"message": message}

    def _message_delete(self, name: str, asked: dict[str, Any]) -> dict[str, Any]:
        if not self._stream(name).delete(asked["seq"]):
            raise Refused(404, NO_MESSAGE, "no message found")
        return {"success": True}

    def _purge(self, name: str, asked: dict[str, Any]) -> dict[str, Any]:
        subject = asked["filter"].encode() if "filter" in asked else None
        purged = self._stream(name).purge(subject, before=asked.get("seq"), keep=asked.get("keep", 0))
        return {"success": True, "purged": purged}

    def _consumer_create(self, _: str, asked: dict[str, Any]) -> dict[str, Any]:
        config = asked["config"]
        stream, name = asked["stream_name"], config["name"]
        filters = config.get("filter_subjects") or [one for one in [config.get("filter_subject")] if one]
        self._stream(stream)
        self._add_consumer(
            stream,
            name,
            after=config.get("opt_start_seq", 1) - 1,
            takes=_any_of([one.encode() for one in filters]),
            is_durable="durable_name" in config,
        )
        return {"config": config, "name": name}

    def _add_consumer(
        self, stream: str, name: str, *, after: int, takes: Callable[[bytes], bool] | None, is_durable: bool
    ) -> None:
        self.consumers[stream, name] = Consumer(
            self.streams[stream], name, after=after, takes=takes, send=self._send, is_durable=is_durable
        )

    def _consumer(self, rest: str) -> tuple[tuple[str, str], Consumer]:
        stream, _, name = rest.partition(".")
        found = self.consumers.get((stream, name))
        if found is None:
            raise Refused(404, NO_CONSUMER, "consumer not found")
        return (stream, name), found

    def _consumer_info(self, rest: str, _: dict[str, Any]) -> dict[str, Any]:
        (__, name), consumer = self._consumer(rest)
        return {"name": name, "delivered": {"consumer_seq": consumer.delivered, "stream_seq": consumer.after}}

    def _consumer_reset(self, rest: str, asked: dict[str, Any]) -> dict[str, Any]:
        (_, name), consumer = self._consumer(rest)
        consumer.reset(asked["seq"])
        return {"name": name, "reset_seq": asked["seq"]}

    def _consumer_delete(self, rest: str, _: dict[str, Any]) -> dict[str, Any]:
        key, consumer = self._consumer(rest)
        del self.consumers[key]
        consumer.close()
        return {"success": True}

    def _next(self, subject: bytes, reply: bytes, asked: dict[str, Any]) -> None:
        stream, _, name = subject[len(_NEXT) :].decode().partition(".")
        consumer = self.consumers.get((stream, name))
        if consumer is None:
            self._send(reply, reply, b"", b"NATS/1.0 503\r\n\r\n", b"")
            return
        until_s = self._loop.time() + asked["expires"] / _NS
        consumer.pull(Pull(reply, asked["batch"], asked.get("max_bytes", 1 << 40), until_s))
        self._loop.call_at(until_s, lambda: consumer.expire(self._loop.time()), context=self.process.context)

    def _direct(self, rest: str, reply: bytes, asked: dict[str, Any]) -> None:
        name, _, subject = rest.partition(".")
        stream = self.streams[name]
        if subject:
            kept = stream.newest(subject.encode())
            if kept is None:
                self._send(reply, reply, b"", _NOT_FOUND, b"")
            else:
                self._send_kept(reply, stream, kept)
            return
        if "multi_last" in asked:
            found = [stream.newest(one.encode()) for one in asked["multi_last"]]
            messages = sorted([kept for kept in found if kept is not None])
        else:
            takes = matches(asked["next_by_subj"].encode())
            messages = []
            for kept in stream.since(asked["seq"], takes):
                messages.append(kept)
                if len(messages) == asked["batch"]:
                    break
        behind = 0
        for kept in messages:
            self._send_kept(reply, stream, kept, behind)
            behind = kept.sequence
        self._send(reply, reply, b"", _EOB % behind if messages else _NOT_FOUND, b"")

    def _send_kept(self, reply: bytes, stream: Stream, kept: Kept, behind: int = 0) -> None:
        stem = kept.headers[:-2] if kept.headers else b"NATS/1.0\r\n"
        told = (
            f"Nats-Stream: {stream.name}\r\nNats-Subject: {kept.subject.decode()}\r\n"
            f"Nats-Sequence: {kept.sequence}\r\nNats-Time-Stamp: {_time(kept.at_ns)}\r\n"
            f"Nats-Last-Sequence: {behind}\r\n\r\n"
        )
        self._send(reply, reply, b"", stem + told.encode(), kept.body)


def _any_of(filters: list[bytes]) -> Callable[[bytes], bool] | None:
    if not filters:
        return None
    tests = [matches(one) for one in filters]
    return tests[0] if len(tests) == 1 else lambda subject: any(test(subject) for test in tests)


def _time(at_ns: int) -> str:
    seconds, nanoseconds = divmod(at_ns, _NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09}Z"
