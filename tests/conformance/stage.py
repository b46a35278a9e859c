"""One rail on a stage: its service, its bridge, a router and NATS, all real; and somebody who can send anything.

Bob is a person on the rail, with its app (the Client API). Alice is on no rail that runs: the suite publishes for her
as the bridge of a rail `probe` would, with that bridge's key, and reads the log as bridges do. So one rail is held
against its capability document alone, whatever the others can do.
"""

import asyncio
import contextlib
import hashlib
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Self

import aiohttp
import msgspec

import router.daemon
from bridges.kit import daemon
from bridges.kit.contract import Translator
from bus import keys, topology
from bus.config import BridgeSettings, NatsSettings, RailSettings, RouterSettings, Settings
from bus.connection import Connection, CoreMessage
from bus.media import MediaStore
from bus.publish import Publisher
from bus.server import EmbeddedServer
from bus.stored import read_range
from bus.subjects import LOG, ingress, live
from rails.catalogue import BUNDLED
from rails.kit.daemon import RailServer
from rails.kit.daemon import RailSettings as ServerSettings
from schemas.codec import decode_event, decode_presence, decode_record, decode_typing, encode
from schemas.content import Content
from schemas.events import AccountSeen, AnyEvent, LegResult, Message, Prefer, Results
from schemas.handles import Handle
from schemas.ids import (
    OPERATOR,
    PEOPLE_PARTITION,
    ConversationId,
    EventId,
    PersonId,
    direct_conversation_id,
    event_id,
    partition_of,
    person_id,
)
from schemas.live import Presence, Typing
from schemas.log import Entry, order_of
from tests.must import eventually

PARTITIONS = 4
PROBE = "probe"
ALICE = Handle(f"{PROBE}:alice")
TOKEN, SECRET = "partner-token", "partner-secret"
_ADDRESSES = ("bob.rossi", "@bob", "+393335550202")


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A rail that runs somewhere."""

    url: str
    token: str
    secret: str


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the log and its rank."""

    rank: int
    entry: Entry


def elsewhere(rail: str) -> Service | None:
    """A rail that is not bundled: where it is, from ``TRINARIO_CONFORMANCE_<RAIL>`` (address, token, secret)."""
    told = os.environ.get(f"TRINARIO_CONFORMANCE_{rail.upper()}", "").split()
    return Service(url=told[0], token=told[1], secret=told[2]) if len(told) == 3 else None


class Phone:
    """Bob's app: only the Client API."""

    def __init__(self, http: aiohttp.ClientSession, url: str, account: dict[str, Any], token: str) -> None:
        self._http, self._url, self._headers = http, url, {"Authorization": f"Bearer {token}"}
        self.handle = Handle(account["handle"])

    async def call(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        url = f"{self._url}/client/v1/{path}"
        headers = {**self._headers, **more.pop("headers", {})}
        async with self._http.request(method, url, headers=headers, **more) as answer:
            return answer.status, (await answer.json() if answer.content_type == "application/json" else None)

    async def write(self, **message: Any) -> tuple[int, Any]:
        """Write to Alice; asked again while the bridge does not answer for her yet."""

        async def told() -> tuple[int, Any]:
            status, answer = await self.call("POST", "messages", json={"to": ALICE, **message})
            assert status != 503, answer
            return status, answer

        return await eventually(told)

    async def upload(self, mime: str, body: bytes, name: str) -> str:
        status, answer = await self.call("POST", f"media?name={name}", data=body, headers={"Content-Type": mime})
        assert status == 201, answer
        return str(answer["media_id"])

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Callable[[str], Awaitable[list[str]]]]:
        """The app is open: what it is told (the kinds), up to the first of a kind."""
        async with self._http.ws_connect(f"{self._url}/client/v1/ws", headers=self._headers) as socket:

            async def until(kind: str) -> list[str]:
                told: list[str] = []
                async with asyncio.timeout(60):
                    while kind not in told:
                        told.append((await socket.receive_json())["type"])
                return told

            await socket.send_str('{"type":"ping"}')
            await until("pong")
            yield until

    async def inbox(self) -> dict[str, dict[str, Any]]:
        """Native id -> message, in the order shown."""
        status, answer = await self.call("GET", "messages", params={"with": ALICE, "limit": "1000"})
        assert status == 200, answer
        return {message["native_id"]: message for message in answer["messages"]}

    async def message(self, native_id: str, shows: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """One message, once it shows what is wanted."""

        async def shown() -> dict[str, Any]:
            found = (await self.inbox()).get(native_id)
            assert found is not None
            assert shows(found), found
            return found

        return await eventually(shown)

    async def fetch(self, url: str) -> str:
        """The SHA-256 of what is behind a link."""
        async with self._http.get(url) as answer:
            assert answer.status == 200, (url, answer.status)
            return hashlib.sha256(await answer.read()).hexdigest()


class Stage:
    """Everything for one rail; `async with`."""

    def __init__(self, translator: Translator, folder: Path) -> None:
        self.translator, self.can, self.rail = translator, translator.capabilities, str(translator.rail)
        self._folder = folder
        self.alice = ALICE
        self._open = contextlib.AsyncExitStack()
        self._numbers = 0
        self._names: list[str] = []
        self._signs: asyncio.Queue[CoreMessage] = asyncio.Queue()
        self._there: asyncio.Queue[CoreMessage] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as opened:
            self._http = await opened.enter_async_context(
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
            )
            server, pairs = await self._bus(opened)
            self._conn = await Connection.open(url=server.url, seed=pairs["admin"].seed, name="suite", role="admin")
            opened.push_async_callback(self._conn.close)
            role = f"bridge-{PROBE}"
            self._probe = await Connection.open(url=server.url, seed=pairs[role].seed, name="probe", role=role)
            opened.push_async_callback(self._probe.close)
            self._publisher = Publisher(self._probe, within_s=60)
            heard = await self._probe.subscribe_core(f"live.*.{self.rail}.typing", self._signs.put)
            opened.push_async_callback(heard.close)
            heard_there = await self._probe.subscribe_core(f"live.*.{self.rail}.presence", self._there.put)
            opened.push_async_callback(heard_there.close)
            service = elsewhere(self.rail) or await self._service(opened)
            settings = self._settings(server, service)
            await _started(opened, lambda ready: router.daemon.run(settings, ready=ready))
            await _started(opened, lambda ready: daemon.run(settings, translator=self.translator, ready=ready))
            await self._people(service)
            self._open = opened.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def _bus(self, opened: contextlib.AsyncExitStack) -> tuple[EmbeddedServer, dict[str, keys.KeyPair]]:
        rails = [self.rail, PROBE]
        pairs = keys.ensure_keys(self._folder / "keys", keys.all_roles(rails))
        server = EmbeddedServer(folder=self._folder / "nats", keys=pairs, rails=rails)
        await server.start()
        opened.push_async_callback(server.stop)
        admin = await Connection.open(url=server.url, seed=pairs["admin"].seed, name="ensure", role="admin")
        await topology.ensure(admin, rails=rails, partitions=PARTITIONS)
        await admin.close()
        return server, pairs

    async def _service(self, opened: contextlib.AsyncExitStack) -> Service:
        assert self.rail in BUNDLED, f"say where {self.rail} is: TRINARIO_CONFORMANCE_{self.rail.upper()}"
        settings = ServerSettings(data_dir=self._folder / "rail", partner_token=TOKEN, partner_secret=SECRET)
        server = RailServer(rail=BUNDLED[self.rail], settings=settings)
        await server.start()
        opened.push_async_callback(server.stop)
        return Service(url=server.url, token=TOKEN, secret=SECRET)

    def _settings(self, server: EmbeddedServer, service: Service) -> Settings:
        there = RailSettings(url=service.url, partner_token=service.token, partner_secret=service.secret)
        return Settings(
            data=self._folder,
            nats=NatsSettings(url=server.url),
            rails={
                self.rail: there,
                PROBE: RailSettings(url="http://127.0.0.1:9", partner_token="-", partner_secret="-"),
            },
            bridges={self.rail: BridgeSettings()},
            router=RouterSettings(partitions=PARTITIONS, port=0),
        )

    async def _people(self, service: Service) -> None:
        """Bob joins the rail; Alice is seen on the probe."""
        self._url = service.url
        self.bob = await self._registered("Bob", _ADDRESSES)
        await self.publish(AccountSeen(id=event_id(PROBE, "account", "alice"), actor=ALICE, name="Alice"))
        bob = PersonId(person_id(self.bob.handle))
        self.bob_person, self.conversation = bob, direct_conversation_id(person_id(ALICE), bob)

        await self._known({person_id(ALICE), bob})

    async def joined(self, name: str) -> Phone:
        """One more person on the rail, once the federation knows them; their phone. Each name once."""
        address = name.lower()
        phone = await self._registered(name, (f"{address}.neri", f"@{address}", f"+39333{len(self._names):07}"))
        await self._known({self.person(phone.handle)})
        return phone

    def person(self, handle: Handle) -> PersonId:
        """Who somebody is who has one account."""
        return PersonId(person_id(handle))

    async def _registered(self, name: str, addresses: tuple[str, ...]) -> Phone:
        """An account under whichever form of address the rail takes."""
        told: Any = None
        self._names.append(name)
        for address in addresses:
            body = {"address": address, "name": name}
            async with self._http.post(f"{self._url}/client/v1/accounts", json=body) as answer:
                told = await answer.json()
                if answer.status == 201:
                    return Phone(self._http, self._url, told["account"], told["token"])
        raise AssertionError(told)

    async def _known(self, persons: set[PersonId]) -> None:
        async def seen() -> None:
            assert persons <= {one.entry.people[0].id for one in await self.log() if one.entry.people}

        await eventually(seen)

    # --- the bus ---

    def next_id(self, kind: str) -> EventId:
        """An id for an event of the probe."""
        self._numbers += 1
        return event_id(PROBE, kind, str(self._numbers))

    async def publish(self, event: AnyEvent) -> None:
        """As the probe's bridge would."""
        of_people = isinstance(event, AccountSeen)
        partition = PEOPLE_PARTITION if of_people else partition_of(event.conversation, PARTITIONS)
        await self._publisher.publish_many([(ingress(PROBE, partition), encode(event), event.id)])

    async def store(self, mime: str, body: bytes) -> None:
        """A file into the bus's store, as the probe's bridge would."""
        digest = hashlib.sha256(body).hexdigest()
        path = self._folder / digest
        path.write_bytes(body)
        await MediaStore(self._probe, writer=PROBE).put(path, sha256=digest, mime=mime)

    async def log(self) -> list[Logged]:
        """Every entry."""
        found: list[Logged] = []
        first = 1
        while messages := await read_range(self._conn, LOG, first=first, subject_filter="log.*"):
            for message in messages:
                record = decode_record(message.data)
                found += [
                    Logged(rank=order_of(message.sequence, index), entry=entry)
                    for index, entry in enumerate(record.entries)
                ]
            first = messages[-1].sequence + 1
        return found

    async def logged(self, event: str) -> Logged:
        """The entry of an event, once it is there."""

        async def there() -> Logged:
            found = next((one for one in await self.log() if one.entry.event_id == event), None)
            assert found is not None
            return found

        return await eventually(there)

    async def heard(self, wanted: Callable[[AnyEvent], bool]) -> AnyEvent:
        """The latest event of the rail that is wanted, once it is in the log."""

        async def there() -> AnyEvent:
            events = [decode_event(one.entry.event) for one in await self.log() if one.entry.source == self.rail]
            found = [event for event in events if wanted(event)]
            assert found
            return found[-1]

        return await eventually(there)

    async def result(self, event: str) -> LegResult:
        """What the rail's bridge says became of an event."""

        async def there() -> LegResult:
            for one in await self.log():
                if one.entry.kind == "results":
                    told = decode_event(one.entry.event)
                    assert isinstance(told, Results)
                    for result in told.results:
                        if result.event == event:
                            return result
            raise AssertionError(f"no result of {event}")

        return await eventually(there)

    async def say(self, content: Content, **more: Any) -> EventId:
        """Alice sends Bob something."""
        event = Message(
            id=self.next_id("message"),
            conversation=self.conversation,
            actor=ALICE,
            to=(self.bob_person,),
            content=content,
            at_ms=1_790_000_000_000 + self._numbers,
            native_id=f"probe-{self._numbers}",
            **more,
        )
        await self.publish(event)
        return event.id

    async def types(self, *, on: bool) -> None:
        """Alice is writing to Bob, or no longer."""
        sign = Typing(conversation=self.conversation, actor=person_id(ALICE), to=self.bob_person, on=on)
        await self._probe.publish_core(live(partition_of(self.conversation, PARTITIONS), PROBE, "typing"), encode(sign))

    async def typed(self) -> Typing:
        """What the rail's bridge has said of somebody who began to write."""
        while not self._signs.empty():
            sign = decode_typing(self._signs.get_nowait().body)
            if sign.on:
                return sign
        raise AssertionError("nobody is said to be writing")

    async def let_be_seen(self) -> None:
        """Alice and Bob wish that others see when they are there."""
        for handle in (ALICE, self.bob.handle):
            wish = Prefer(id=event_id(OPERATOR, "prefer", handle), handle=handle, presence=True)
            await Publisher(self._conn).publish(ingress(OPERATOR, PEOPLE_PARTITION), encode(wish), wish.id)

    async def is_there(self, *, on: bool) -> None:
        """Alice is there, or no longer."""
        sign = Presence(actor=person_id(ALICE), on=on, seen_ms=1_790_000_100_000)
        await self._probe.publish_core(live(0, PROBE, "presence"), encode(sign))

    async def said_to_be_there(self) -> Presence:
        """What the rail's bridge has said of somebody who is there."""
        while not self._there.empty():
            sign = decode_presence(self._there.get_nowait().body)
            if sign.on:
                return sign
        raise AssertionError("nobody is said to be there")

    async def do(
        self, kind: type[AnyEvent], target: EventId, *, conversation: ConversationId | None = None, **more: Any
    ) -> EventId:
        """Alice edits, takes back, reacts to or votes on a message of the log; `conversation`: in a group."""
        rank = (await self.logged(target)).rank
        event = kind(
            id=self.next_id(kind.__name__),
            conversation=conversation or self.conversation,
            actor=ALICE,
            target=target,
            rank=rank,
            at_ms=1_790_000_000_000 + self._numbers,
            **more,
        )
        await self.publish(event)
        return event.id


async def _started(
    opened: contextlib.AsyncExitStack, main: Callable[[Callable[[dict[str, Any]], None]], Coroutine[Any, Any, None]]
) -> None:
    """A daemon as a task, once it is ready; it ends with the stage."""
    is_ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(main(is_ready.set_result))

    async def end() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    opened.push_async_callback(end)
    await asyncio.wait({task, is_ready}, timeout=60, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    is_ready.result()


def link_in(body: str) -> str:
    """The first address in a text."""
    found = re.search(r"https?://\S+", body)
    assert found is not None, body
    return found[0]


Claim = Callable[[Stage], Awaitable[None]]
