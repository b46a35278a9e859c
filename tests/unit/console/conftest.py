"""A real console before a real rail, in this process, on free ports. No bus runs: the phones need none."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from bus.config import ConsoleSettings, NatsSettings, RailSettings, RouterSettings, Settings
from rails.catalogue import BUNDLED
from rails.kit.daemon import RailServer
from rails.kit.daemon import RailSettings as OwnSettings
from schemas.handles import Handle
from trinario.console.buslink import BusLink
from trinario.console.daemon import Console
from trinario.place import Place
from trinario.sessions import Session, Sessions

ALICE, BOB = Handle("whatsapp:+393331112222"), Handle("whatsapp:+393334445555")


class Visitor:
    """A browser as far as it matters here: keeps cookies, and can be made to send any header."""

    def __init__(self, *, url: str, http: aiohttp.ClientSession) -> None:
        self.url, self.http = url.partition("#")[0].rstrip("/"), http
        self.key = url.partition("#key=")[2]
        self.host = self.url.removeprefix("http://")

    async def call(self, method: str, path: str, *, body: Any = None, **headers: str | None) -> aiohttp.ClientResponse:
        """A call as our page makes it; a header given as None is left out. Underscores stand for hyphens."""
        usual = {"X-Trinario": "1", "Origin": self.url, "X-As": None}
        named = {**usual, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return await self.http.request(
            method,
            self.url + path,
            json=body,
            headers={name: value for name, value in named.items() if value is not None},
            allow_redirects=False,
        )

    async def log_in(self) -> None:
        """With the key that the console has printed."""
        answer = await self.call("POST", "/api/login", body={"key": self.key})
        assert answer.status == 200


@pytest.fixture
async def rail(tmp_path: Path) -> AsyncIterator[RailServer]:
    """WhatsApp, alone."""
    settings = OwnSettings(data_dir=tmp_path / "rail", partner_token="t", partner_secret="s")
    server = RailServer(rail=BUNDLED["whatsapp"], settings=settings)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """The data folder."""
    return Place(data=tmp_path / "data")


@pytest.fixture
async def console(rail: RailServer, place: Place) -> AsyncIterator[Console]:
    """The console, serving."""
    settings = Settings(
        data=place.data,
        nats=NatsSettings(url="nats://127.0.0.1:9"),
        rails={"whatsapp": RailSettings(url=rail.url)},
        router=RouterSettings(port=9),
        console=ConsoleSettings(port=0),
    )
    async with aiohttp.ClientSession() as http:
        made = Console(settings=settings, place=place, link=BusLink.of(settings), http=http)
        async with made.serving(0):
            yield made


@pytest.fixture
async def stranger(console: Console) -> AsyncIterator[Visitor]:
    """Somebody without a session."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        yield Visitor(url=console.url, http=http)


@pytest.fixture
async def visitor(stranger: Visitor) -> Visitor:
    """Somebody who has logged in."""
    await stranger.log_in()
    return stranger


async def registered(rail: RailServer, place: Place, handle: Handle, name: str) -> str:
    """An account whose session is kept in the data folder; its token."""
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{rail.url}/client/v1/accounts", json={"address": handle.partition(":")[2], "name": name}) as answer,
    ):
        token = msgspec.json.decode(await answer.read())["token"]
    Sessions(place).keep(Session(handle=handle, token=token))
    return str(token)
