"""Twelve faults, each planted in a system that runs, and each named by `status` or `doctor` with its remedy.

Every daemon is a process of its own, so that one can be stopped, or started with something wrong. Each test mends what
it has broken, and doctor must find all well again.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from bus import subjects, topology
from bus.config import NatsSettings
from bus.connection import Connection
from bus.publish import Publisher
from tests.integration.trinario.conftest import PATIENCE_S, ROOT, Trinario
from tests.must import eventually
from trinario.ports import planned

pytestmark = pytest.mark.timeout(300)

RAILS = ("whatsapp", "messenger", "instagram")
ALICE, BOB = "whatsapp:+393331112222", "messenger:bob.rossi"


class Line:
    """Every daemon of a data folder as a process."""

    def __init__(self, trinario: Trinario) -> None:
        self.trinario = trinario
        self.ports = planned(0, RAILS)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start_all(self) -> None:
        data, ports = self.trinario.data, self.ports
        data.mkdir()
        (data / "trinario.toml").write_text(
            f"[nats]\nport = {ports.nats}\n[router]\nport = {ports.router}\n[ledger]\nport = {ports.ledger}\n"
            + "".join(f"[rails.{rail}]\nport = {ports.rails[rail]}\n" for rail in RAILS)
            + "".join(f"[bridges.{rail}]\nport = {ports.bridges[rail]}\n" for rail in RAILS)
        )
        for name in (
            "nats",
            *(f"rail-{rail}" for rail in RAILS),
            "router",
            "ledger",
            *(f"bridge-{rail}" for rail in RAILS),
        ):
            self.start(name)
        self.trinario.ready = {"rails": {rail: f"http://127.0.0.1:{ports.rails[rail]}" for rail in RAILS}}

    def start(self, name: str, *, as_another: str = "", **settings: str) -> None:
        """Start a daemon and wait for its ready line; `settings` go by its environment."""
        kind, _, rail = name.partition("-")
        words = [kind, "run", rail] if rail else [kind, "run"]
        with self.trinario.talk.open("ab") as talk:
            process = subprocess.Popen(
                [*self.trinario.command(*words), "--json"],
                stdout=subprocess.PIPE,
                stderr=talk,
                cwd=ROOT,
                env={**os.environ, **{f"TRINARIO_{key}": value for key, value in settings.items()}},
            )
        assert process.stdout is not None
        assert process.stdout.readline(), self.trinario.talk.read_text()[-3000:]
        self._running[as_another or name] = process

    def stop(self, name: str) -> None:
        process = self._running.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(PATIENCE_S) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            assert process.stdout is not None
            process.stdout.close()

    def stop_all(self) -> None:
        for name in reversed(list(self._running)):
            self.stop(name)

    async def doctor(self, *wrapped: str, **settings: str) -> list[dict[str, Any]]:
        """What doctor finds the matter; its exit code must say the same."""
        command = [sys.executable, *(wrapped or ("-m", "trinario")), "doctor", "--data", str(self.trinario.data)]
        process = await asyncio.create_subprocess_exec(
            *command,
            "--json",
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, **{f"TRINARIO_{key}": value for key, value in settings.items()}},
        )
        out, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        found = json.loads(out)
        wrong = [one for one in found["findings"] if one["remedy"]]
        assert (process.returncode, found["well"]) == ((1, False) if wrong else (0, True))
        return wrong

    async def named(self, what: str, found: str, remedy: str, **settings: str) -> None:
        """Doctor names the fault, sooner or later, with these words."""

        async def said() -> None:
            wrong = await self.doctor(**settings)
            mine = [one for one in wrong if what in one["what"]]
            assert any(found in one["found"] and remedy in one["remedy"] for one in mine), wrong

        await eventually(said)

    async def shown(self, part: str, rail: str, state: str, action: str) -> None:
        """Status shows this state and what to do."""

        async def seen() -> None:
            (found,) = await self.trinario.cli("status")
            mine = found[part][rail] if rail else found[part]
            assert mine["state"] == state, found
            assert action in mine["action"], found

        await eventually(seen)

    async def well(self) -> None:
        """Nothing is the matter (any more)."""

        async def nothing() -> None:
            assert await self.doctor() == []

        await eventually(nothing)

    @contextlib.asynccontextmanager
    async def admin(self) -> AsyncIterator[Connection]:
        seed = (self.trinario.data / "keys" / "admin.nk").read_text().strip()
        connection = await Connection.open(
            url=f"nats://127.0.0.1:{self.ports.nats}", seed=seed, name="test", role="admin"
        )
        try:
            yield connection
        finally:
            await connection.close()


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """Everything runs, and Alice and Bob have begun to talk."""
    made = Line(Trinario(tmp_path_factory.mktemp("line")))
    try:
        made.start_all()
        asyncio.run(_begin(made))
        yield made
    finally:
        made.stop_all()


async def _begin(line: Line) -> None:
    for handle, name in ((ALICE, "Alice"), (BOB, "Bob")):
        await line.trinario.cli("account", "register", handle, "--name", name)
    await line.trinario.cli("send", "--as", ALICE, "--to", BOB, "one")
    await _arrived(line, BOB, "one")
    await line.well()


async def _arrived(line: Line, handle: str, text: str) -> None:
    async def there() -> None:
        assert text in [one["text"] for one in await line.trinario.cli("inbox", "--as", handle)]

    await eventually(there)


async def test_a_stopped_bridge(line: Line) -> None:
    """Named with the command that starts it; what was written meanwhile arrives then."""
    line.stop("bridge-messenger")
    await line.trinario.cli("send", "--as", ALICE, "--to", BOB, "while the bridge was away")
    await line.shown("bridges", "messenger", "unreachable", "trinario bridge run messenger")
    await line.named("bridge messenger", "unreachable", "trinario bridge run messenger")
    line.start("bridge-messenger")
    await _arrived(line, BOB, "while the bridge was away")
    await line.well()


async def test_a_wrong_secret(line: Line) -> None:
    """The bridge refuses what the rail signs otherwise, and says so; with the right one nothing is missing."""
    line.stop("bridge-messenger")
    line.start("bridge-messenger", RAILS__MESSENGER__PARTNER_SECRET="wrong")
    await line.trinario.cli("send", "--as", BOB, "--to", ALICE, "signed otherwise")
    await line.shown("bridges", "messenger", "degraded", "partner_secret on both sides")
    await line.named("bridge messenger", "rails.messenger.partner_secret", "Set the same partner_secret on both sides")
    line.stop("bridge-messenger")
    line.start("bridge-messenger")
    await _arrived(line, ALICE, "signed otherwise")
    await line.well()


async def test_a_revoked_token(line: Line) -> None:
    """The state of its own that nothing but an operator ends."""
    line.stop("bridge-messenger")
    line.start("bridge-messenger", RAILS__MESSENGER__PARTNER_TOKEN="revoked")
    await line.shown("bridges", "messenger", "bad_credentials", "Set the one that is valid")
    await line.named("bridge messenger", "refuses rails.messenger.partner_token", "revoked, has expired")
    await line.named(
        "credentials of messenger", "refuses", "trinario config explain", RAILS__MESSENGER__PARTNER_TOKEN="revoked"
    )
    line.stop("bridge-messenger")
    line.start("bridge-messenger")
    await line.well()


async def test_a_disk_that_is_nearly_full(line: Line) -> None:
    """By the threshold of the settings."""
    free_bytes = shutil.disk_usage(line.trinario.data).free
    await line.named("disk", "less than doctor.free_bytes", "Free some space", DOCTOR__FREE_BYTES=str(free_bytes * 2))
    await line.well()


async def test_a_poison_message(line: Line) -> None:
    """It stops nothing, and lies where an operator finds it."""
    async with line.admin() as admin:
        publisher = Publisher(admin)
        await publisher.publish(subjects.ingress("whatsapp", 3), b"\xff poison", "evt_poison")
        await publisher.close()
    await line.named("dead letters of whatsapp", "the router could not understand", "trinario dead show")
    (letter,) = await line.trinario.cli("dead", "list")
    (status,) = await line.trinario.cli("status")
    assert status["bridges"]["whatsapp"]["dead"] == 1
    await line.trinario.cli("dead", "drop", str(letter["id"]), "--why", "poison")
    await line.well()


async def test_a_rail_that_answers_too_many(line: Line) -> None:
    """Not for a moment but on and on; the message goes when the rail takes it again."""
    await line.trinario.faults("messenger", too_many=1.0)
    await line.trinario.cli("send", "--as", ALICE, "--to", BOB, "put off")
    await line.shown("bridges", "messenger", "degraded", "tries again as the rail asks")
    await line.named("bridge messenger", "puts everything off", "lower the load or raise the limit")
    await line.trinario.faults("messenger")
    await _arrived(line, BOB, "put off")
    await line.well()


async def test_two_routers_with_one_identity(line: Line) -> None:
    """The fence keeps them from harm; doctor from fighting for ever."""
    spare = planned(0, RAILS).router
    line.start("router", as_another="another", ROUTER__PORT=str(spare))
    await line.named("router", "two routers run with one identity", "Stop one of them")
    line.stop("another")
    await line.well()


async def test_a_clock_that_is_off(line: Line) -> None:
    """This machine's clock is an hour ahead of everybody else's."""
    ahead = (
        "import sys, time; real, real_ns = time.time, time.time_ns; time.time = lambda: real() + 3600;"
        " time.time_ns = lambda: real_ns() + 3600 * 10**9; from trinario.main import main; sys.exit(main())"
    )
    wrong = await line.doctor("-c", ahead)
    clocks = {one["what"]: one for one in wrong if one["what"].startswith("clock of")}
    assert {"clock of nats", "clock of router", "clock of bridge messenger", "clock of rail whatsapp"} <= set(clocks)
    for one in clocks.values():
        assert "behind this machine's" in one["found"]
        assert "timedatectl" in one["remedy"]
    await line.well()


async def test_a_damaged_store(line: Line) -> None:
    """Named by its file, with what to do about this one."""
    line.stop("bridge-instagram")
    path = line.trinario.data / "bridges" / "instagram.db"
    sound = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 8192)
    await line.named("store instagram.db", "is damaged", "restore")
    path.write_bytes(sound)
    line.start("bridge-instagram")
    await line.well()


async def test_streams_that_are_missing_or_changed(line: Line) -> None:
    """Somebody has been at the server with other tools."""
    async with line.admin() as admin:
        await admin.api(f"STREAM.DELETE.{subjects.SCHEDULE}")
        config = (await admin.api(f"STREAM.INFO.{subjects.DEAD}"))["config"]
        await admin.api(f"STREAM.UPDATE.{subjects.DEAD}", {**config, "max_age": 3600 * 10**9})
        await admin.api(f"CONSUMER.DELETE.{subjects.LOG}.{subjects.log_consumer('instagram')}")
        for found in (
            "stream SCHEDULE is missing",
            "DEAD: max_age is 3600000000000",
            "bridge-instagram of LOG is missing",
        ):
            await line.named("streams", found, "trinario nats run")
        await topology.ensure(admin, rails=RAILS, limits=topology.limits_of(NatsSettings()))
    await line.well()


async def test_a_port_that_is_taken(line: Line) -> None:
    """Something else sits where the bridge should."""
    line.stop("bridge-instagram")
    port = line.ports.bridges["instagram"]
    with socket.create_server(("127.0.0.1", port)):
        await line.named(f"port {port}", "not the bridge instagram", f"sport = :{port}")
    line.start("bridge-instagram")
    await line.well()


async def test_a_bridge_that_lags(line: Line) -> None:
    """The rail takes its time: eight seconds a call."""
    await line.trinario.faults("messenger", delay=1.0, delay_ms=8_000)
    await line.trinario.cli("send", "--as", ALICE, "--to", BOB, "slowly")
    await line.named("bridge messenger", "its oldest leg has waited", "Is the rail slow", DOCTOR__LAG_MS="1000")
    await line.trinario.faults("messenger")
    await _arrived(line, BOB, "slowly")
    await line.well()


async def test_what_does_not_run_and_whose_ports_are_taken(trinario: Trinario) -> None:
    """Before anything is started: what to start, and which port to free first."""
    ports = planned(0, RAILS)
    other = Line(trinario)
    trinario.data.mkdir(mode=0o700)
    with socket.create_server(("127.0.0.1", ports.router)):
        wrong = await other.doctor(ROUTER__PORT=str(ports.router))
    named = {one["what"]: one["remedy"] for one in wrong}
    assert "trinario up" in named["running"]
    assert "--port-base" in named[f"port {ports.router}"]
