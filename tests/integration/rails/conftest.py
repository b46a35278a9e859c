"""What the rails' tests stand on: real servers on free ports, people with the Client API, receivers of webhooks."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from rails.catalogue import BUNDLED
from rails.kit.daemon import RailServer, RailSettings

PARTNER_TOKEN = "partner-token"
PARTNER_SECRET = "partner-secret"
VERIFY_TOKEN = "verify-me"
ADDRESSES = {
    "whatsapp": {"alice": "+393331112222", "bob": "+393334445555", "carla": "+393336667777"},
    "messenger": {"alice": "alice.bianchi", "bob": "bob.rossi", "carla": "carla.verdi"},
    "instagram": {"alice": "@alice", "bob": "@bob", "carla": "@carla"},
}


async def eventually(condition: Callable[[], Awaitable[Any]], *, within_s: float = 20.0) -> Any:
    """The condition's first true answer; a failure when there is none in time."""
    async with asyncio.timeout(within_s):
        while not (answer := await condition()):  # noqa: ASYNC110 - what is waited for is in another process or thread
            await asyncio.sleep(0.02)
    return answer


class Person:
    """Somebody with an app: the Client API over HTTP, and its WebSocket."""

    def __init__(self, http: aiohttp.ClientSession, url: str, account: dict[str, Any], token: str) -> None:
        self.http, self.url, self.account, self.token = http, url, account, token
        self.id, self.handle = account["id"], account["handle"]
        self.socket: aiohttp.ClientWebSocketResponse | None = None

    async def call(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        async with self.http.request(method, f"{self.url}/client/v1/{path}", headers=headers, **more) as answer:
            return answer.status, (await answer.json() if answer.content_type == "application/json" else None)

    async def send(self, to: str, text: str, **more: Any) -> dict[str, Any]:
        status, answer = await self.call("POST", "messages", json={"to": to, "text": text, **more})
        assert status in {200, 201}, answer
        return answer

    async def inbox(self, **query: Any) -> list[dict[str, Any]]:
        status, answer = await self.call("GET", "messages", params=query)
        assert status == 200, answer
        return answer["messages"]

    async def listen(self) -> None:
        self.socket = await self.http.ws_connect(f"{self.url}/client/v1/ws?token={self.token}")
        await self.socket.send_str('{"type":"ping"}')
        await self.hear("pong")

    async def hear(self, kind: str) -> dict[str, Any]:
        """The next event of that kind."""
        assert self.socket is not None
        async with asyncio.timeout(10):
            while True:
                event = await self.socket.receive_json()
                if event["type"] == kind:
                    return event


class Receiver:
    """A receiver of webhooks: checks signatures, answers the handshake, keeps what it got. `status`: its answer."""

    def __init__(self, secret: str, verify_token: str) -> None:
        self.secret, self.verify_token = secret, verify_token
        self.status = 200
        self.raw: list[tuple[bytes, dict[str, str]]] = []
        self.resolutions: dict[str, tuple[int, dict[str, Any]]] = {}
        self.asked: list[dict[str, Any]] = []
        self.url = ""
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.fetched: list[str] = []

    async def on_file(self, request: web.Request) -> web.Response:
        """Files by link, and redirects, as a business's own web server has them."""
        self.fetched.append(request.path)
        if request.path in self.redirects:
            return web.Response(status=302, headers={"Location": self.redirects[request.path]})
        if request.path not in self.files:
            return web.Response(status=404)
        return web.Response(body=self.files[request.path])

    def sign(self, body: bytes) -> str:
        return "sha256=" + hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()

    async def on_get(self, request: web.Request) -> web.Response:
        if request.query.get("hub.verify_token") != self.verify_token:
            return web.Response(status=403)
        return web.Response(text=request.query["hub.challenge"])

    async def on_post(self, request: web.Request) -> web.Response:
        body = await request.read()
        assert body.isascii()
        assert request.headers["X-Hub-Signature-256"] == self.sign(body)
        assert request.headers["X-Hub-Signature"].startswith("sha1=")
        if self.status == 200:
            self.raw.append((body, dict(request.headers)))
        return web.Response(status=self.status)

    async def on_resolve(self, request: web.Request) -> web.Response:
        body = await request.read()
        assert request.headers["X-Hub-Signature-256"] == self.sign(body)
        asked = json.loads(body)
        self.asked.append(asked)
        status, answer = self.resolutions.get(asked["address"], (404, {"error": {"message": "nobody"}}))
        return web.json_response(answer, status=status)

    @property
    def posts(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body, _ in self.raw]

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [entry for post in self.posts for entry in post["entry"]]

    @property
    def events(self) -> list[dict[str, Any]]:
        """What happened, flattened: `messaging` elements, or `value` objects of changes."""
        found: list[dict[str, Any]] = []
        for entry in self.entries:
            found += entry.get("messaging", [])
            found += [change["value"] for change in entry.get("changes", [])]
        return found

    async def event(self, matches: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """The first event that matches, when it has come."""

        async def found() -> dict[str, Any] | None:
            return next((event for event in self.events if matches(event)), None)

        answer: dict[str, Any] = await eventually(found)
        return answer


class House:
    """One rail under test, with people, a partner and businesses to be had."""

    def __init__(self, name: str, server: RailServer, http: aiohttp.ClientSession, open_receiver: Any) -> None:
        self.name, self.server, self.http, self._open_receiver = name, server, http, open_receiver

    @property
    def url(self) -> str:
        return self.server.url

    async def person(self, who: str, **more: Any) -> Person:
        body = {"address": ADDRESSES[self.name][who], "name": who.title(), **more}
        async with self.http.post(f"{self.url}/client/v1/accounts", json=body) as answer:
            told = await answer.json()
            assert answer.status == 201, told
        return Person(self.http, self.url, told["account"], told["token"])

    async def graph(self, method: str, path: str, token: str = PARTNER_TOKEN, **more: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
        async with self.http.request(method, f"{self.url}/v19.0/{path}", headers=headers, **more) as answer:
            return answer.status, await answer.json()

    async def receiver(self, secret: str = PARTNER_SECRET, verify_token: str = VERIFY_TOKEN) -> Receiver:
        opened: Receiver = await self._open_receiver(secret, verify_token)
        return opened

    async def partner(self) -> Receiver:
        """A subscribed federation partner."""
        receiver = await self.receiver()
        body = {
            "callback_url": f"{receiver.url}/hook",
            "verify_token": receiver.verify_token,
            "resolve_url": f"{receiver.url}/resolve",
        }
        status, answer = await self.graph("POST", "federation/subscription", json=body)
        assert (status, answer) == (200, {"success": True})
        return receiver

    async def business(self, name: str = "Corner Shop") -> tuple[dict[str, Any], Receiver]:
        """A business node and its webhook, subscribed."""
        status, node = await self.graph("POST", "federation/nodes", json={"name": name})
        assert status == 200, node
        receiver = await self.receiver(node["app_secret"], "shop-token")
        body = {"override_callback_uri": f"{receiver.url}/hook", "verify_token": "shop-token"}
        path = f"{node['node_id']}/subscribed_apps"
        status, answer = await self.graph("POST", path, token=node["access_token"], json=body)
        assert (status, answer) == (200, {"success": True})
        return node, receiver

    def text_body(self, to: str, text: str, opaque: str | None = None, **more: Any) -> dict[str, Any]:
        """A text post in this rail's own form."""
        if self.name == "whatsapp":
            own: dict[str, Any] = {"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": text}}
            return {**own, **({"biz_opaque_callback_data": opaque} if opaque else {}), **more}
        message = {"text": text, **({"metadata": opaque} if opaque else {})}
        return {"recipient": {"id": to}, "message": message, **more}

    def native_id(self, answer: dict[str, Any]) -> str:
        return answer["messages"][0]["id"] if self.name == "whatsapp" else answer["message_id"]

    def received(self, event: dict[str, Any], text: str) -> bool:
        """Whether a webhook event is that text, received."""
        if self.name == "whatsapp":
            return any(message["text"]["body"] == text for message in event.get("messages", []))
        message = event.get("message", {})
        return message.get("text") == text and not message.get("is_echo")


async def start_rail(name: str, folder: Path, **more: Any) -> RailServer:
    """One rail, running, on a free port."""
    settings = RailSettings(data_dir=folder, partner_token=PARTNER_TOKEN, partner_secret=PARTNER_SECRET, **more)
    server = RailServer(rail=BUNDLED[name], settings=settings)
    await server.start()
    return server


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def open_receiver() -> AsyncIterator[Any]:
    """Opens webhook receivers and closes them at the end."""
    runners: list[web.AppRunner] = []

    async def open_one(secret: str, verify_token: str) -> Receiver:
        receiver = Receiver(secret, verify_token)
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_get("/hook", receiver.on_get)
        app.router.add_post("/hook", receiver.on_post)
        app.router.add_post("/resolve", receiver.on_resolve)
        app.router.add_get("/{file}", receiver.on_file)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return receiver

    yield open_one
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def open_house(tmp_path: Path, http: aiohttp.ClientSession, open_receiver: Any) -> AsyncIterator[Any]:
    """Starts a rail by name."""
    servers: list[RailServer] = []

    async def open_one(name: str, **more: Any) -> House:
        servers.append(await start_rail(name, tmp_path / name, **more))
        return House(name, servers[-1], http, open_receiver)

    yield open_one
    for server in servers:
        await server.stop()


@pytest.fixture(params=sorted(BUNDLED))
async def house(request: pytest.FixtureRequest, open_house: Any) -> House:
    """Each rail in turn."""
    opened: House = await open_house(request.param)
    return opened
