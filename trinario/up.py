"""`trinario up`: everything on this machine, started in order, kept running, drained in order.

    rails                      need nothing
    nats-server, the streams   need nothing
    router, bridges, the page  need both; so does the ledger

By default the daemons are tasks in this process's event loop and only nats-server is a child; with ``--processes``
each is a child of its own. What runs where is in ``run.json`` for as long as it runs.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import structlog
from cyclopts import Parameter

from bus.cluster import Cluster
from bus.config import Settings
from bus.logs import configure
from bus.runtime import run_daemon
from bus.server import EmbeddedServer
from rails.catalogue import BUNDLED
from trinario import demo, ports
from trinario.daemons import console
from trinario.daemons.bridge import serve_bridge
from trinario.daemons.ledger import serve_ledger
from trinario.daemons.nats import make_bus, serving_nats
from trinario.daemons.rail import serve_rail
from trinario.daemons.router import serve_router
from trinario.failures import Misconfigured
from trinario.keeping import Part, all_ready, kept
from trinario.options import COMMON, Common, Flag
from trinario.output import Output, picked
from trinario.place import Daemon, Place, Running, write_private
from trinario.processes import run_child
from trinario.settings import Machine, addresses, environment, ledger_url, machine, nats_ports, router_url

_LOOK_AT_NATS_EVERY_S = 0.25

_log = structlog.get_logger(__name__)


def up(
    *,
    port_base: int | None = None,
    with_demo: Annotated[Flag, Parameter(name="--demo")] = False,
    processes: Flag = False,
    config: Path | None = None,
    common: Common = COMMON,
) -> int:
    """Start everything on this machine, and keep it running until Ctrl-C.

    Parameters
    ----------
    port_base
        NATS listens here, the rails from one above (default 7100); 0 takes free ports.
    with_demo
        Make Alice, Bob and Carla, who have already begun to talk.
    processes
        Each daemon in a process of its own.
    config
        Settings file. Default: trinario.toml in the data folder, if there is one.
    """
    found = machine(common.place(), config=config, port_base=port_base, quieter=True)
    place = found.place
    with _locked(place):
        configure(level=found.settings.log.level, format=found.settings.log.format)
        ports.require_free(_ports_here(found))
        more = ("--data", str(place.data), *(("--config", str(config.absolute())) if config else ()))
        everything = _Everything(place=place, machine=found, processes=processes, more=more, output=common.output())
        return run_daemon(lambda: everything.run(with_demo=with_demo))


def _ports_here(found: Machine) -> dict[str, int]:
    settings = found.settings
    return {
        **(nats_ports(settings) if found.runs_nats else {}),
        **{f"rail-{name}": rail.port for name, rail in settings.rails.items() if name in BUNDLED},
        **{f"bridge-{name}": bridge.port for name, bridge in settings.bridges.items()},
        "console": settings.console.port,
        "router": settings.router.port,
        "ledger": settings.ledger.port,
    }


def _parts(settings: Settings, *, more: tuple[str, ...]) -> tuple[list[Part], list[Part]]:
    """The rails that run here, and what joins them: each as a `Part`. `more`: flags that a child needs too."""
    rails = [
        Part(
            name=f"rail-{name}",
            url=settings.rails[name].url or "",
            words=("rail", "run", name, *more),
            run=lambda name=name: serve_rail(name, settings),  # type: ignore[misc]
        )
        for name in settings.rails
        if name in BUNDLED
    ]
    bridges = [
        Part(
            name=f"bridge-{name}",
            url=settings.bridges[name].url or "",
            words=("bridge", "run", name, *more),
            run=lambda name=name: serve_bridge(name, settings),  # type: ignore[misc]
        )
        for name in settings.bridges
    ]
    router = Part(
        name="router",
        url=router_url(settings),
        words=("router", "run", *more),
        run=lambda: serve_router(settings),
    )
    ledger = Part(
        name="ledger",
        url=ledger_url(settings),
        words=("ledger", "run", *more),
        run=lambda: serve_ledger(settings),
    )
    page = Part(
        name="console",
        url=console.base_url(settings),
        words=("console", "run", *more),
        run=lambda: console.serve_console(settings),
    )
    return rails, [router, ledger, *bridges, page]


@contextmanager
def _locked(place: Place) -> Iterator[None]:
    """Hold the data folder: one `up` a folder. The system lets go of it when we die, however we die."""
    descriptor = os.open(place.folder() / place.lock_file.name, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise Misconfigured(
            f"`trinario up` (process {pid}) already runs on the data folder {place.data}. Stop it, or choose another "
            "folder with --data."
        ) from None
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def _go_on() -> None:
    """Ends the start if it was to end meanwhile: nats-py swallows a cancellation that reaches it while it writes."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class _Everything:
    """One `up`: what runs, as which process, and run.json."""

    def __init__(
        self, *, place: Place, machine: Machine, processes: bool, more: tuple[str, ...], output: Output
    ) -> None:
        self._place, self._machine, self._settings = place, machine, machine.settings
        self._processes, self._output = processes, output
        self._rails, self._joining = _parts(machine.settings, more=more)
        self._environ = environment(machine.settings, runs_nats=machine.runs_nats)
        self._pids: dict[str, int] = {}
        self._is_ready, self._is_behind = False, False

    async def run(self, *, with_demo: bool) -> None:
        """Start, say so, and stay until cancelled; then drain: bridges and router, nats-server, rails."""
        say = self._output.note
        async with AsyncExitStack() as stack:
            stack.callback(self._forget)
            with self._output.progress("Starting") as step:
                await stack.enter_async_context(kept(self._rails, runner=self._run_part, say=say))
                await stack.enter_async_context(self._bus())
                _go_on()
                step(f"nats is ready at {self._settings.nats.url}")
                await stack.enter_async_context(kept(self._joining, runner=self._run_part, say=say))
                await all_ready([*self._rails, *self._joining], say=step)
                self._is_ready = True
                self._write()
                keeping_true = asyncio.create_task(self._keep_true(), name="run.json")
                stack.callback(keeping_true.cancel)
                if with_demo:
                    step("Alice, Bob and Carla are coming")
                    await demo.play(self._place)
                    _go_on()
            self._tell(with_demo=with_demo)
            await asyncio.get_running_loop().create_future()

    def _tell(self, *, with_demo: bool) -> None:
        running = self._running()
        ready = msgspec.to_builtins(running)
        first = picked(ready, "ready", "data", "nats", "rails", "console")
        self._output.document(
            {**first, **ready}, lambda: (demo.told if with_demo else demo.plain)(running, self._place)
        )

    @asynccontextmanager
    async def _bus(self) -> AsyncIterator[None]:
        if not self._machine.runs_nats:
            await make_bus(self._settings, self._settings.nats.url or "")
            yield
            return
        async with serving_nats(self._settings) as servers, asyncio.TaskGroup() as group:
            # `wait_closed` raises when the servers' own supervision has failed: then we end, too.
            tasks = [group.create_task(self._watch(servers)), group.create_task(servers.wait_closed())]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()

    async def _watch(self, servers: EmbeddedServer | Cluster) -> None:
        """The servers' own supervision starts them again; here it is said, and run.json is kept true."""
        while True:
            for name, pid in servers.pids.items():
                if self._pids.get(name) != pid:
                    if name in self._pids:
                        self._output.note(f"{name} died and was started again (process {pid}).")
                    self._note_pid(name, pid)
            await asyncio.sleep(_LOOK_AT_NATS_EVERY_S)

    async def _run_part(self, part: Part) -> None:
        if self._processes:
            await run_child(part.words, environ=self._environ, started=lambda pid: self._note_pid(part.name, pid))
        else:
            self._note_pid(part.name, os.getpid())
            await part.run()

    def _note_pid(self, name: str, pid: int) -> None:
        if self._pids.get(name) == pid:
            return
        self._pids[name] = pid
        self._is_behind = True
        if self._is_ready:
            self._try_to_write()

    async def _keep_true(self) -> None:
        """A full disk is no reason to end: run.json is set right once there is space."""
        while True:
            await asyncio.sleep(_LOOK_AT_NATS_EVERY_S)
            if self._is_behind:
                self._try_to_write()

    def _try_to_write(self) -> None:
        try:
            self._write()
        except OSError as error:
            _log.warning("run_file.not_written", reason=str(error))

    def _running(self) -> Running:
        daemons = {name: Daemon(pid=pid) for name, pid in sorted(self._pids.items())}
        page = console.login_url(self._settings)
        return msgspec.structs.replace(addresses(self._settings), console=page, pid=os.getpid(), daemons=daemons)

    def _write(self) -> None:
        write_private(self._place.run_file, msgspec.json.format(msgspec.json.encode(self._running())) + b"\n")
        self._is_behind = False

    def _forget(self) -> None:
        self._place.run_file.unlink(missing_ok=True)
