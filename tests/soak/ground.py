"""What the federation of a soak stands on, and what can be done to it: its disk, its network, its clocks. Linux, root.

disk    an ext4 of its own in a file, mounted under the data folder: it can be filled, and lose its power (`SHUTDOWN`,
        the call with which file systems are tested: whatever was not synced is gone once it is mounted again)
network a network namespace of its own: packets to or from a port can be dropped without a word
clocks  a preloaded library adds to a process's wall clock what a shared file says (`clock.c`)

`enter` gives this process a world of its own first; what that world cannot have is said by `Ground.missing`. Not a
simulation: the kernel, the file system and the processes are the real ones. Called by `python -m tests.soak`.
"""

import contextlib
import ctypes
import fcntl
import mmap
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

INSIDE = "_SOAK_INSIDE"
"""Set in the environment once `enter` has been through."""

_SHUTDOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN."""
_NO_LOG_FLUSH = 2
"""The journal is not written either, as when the power goes."""
_DISK_BYTES = 12 * 1024**3
"""Sparse; the streams set five of them aside."""
_SLOTS = 65536
_OWN_RULES, _LOCAL_RULE = "1", "10"


def enter(environ: Mapping[str, str] = os.environ) -> None:
    """Start this command again in network and mount namespaces of its own, if that may be done here."""
    if INSIDE in environ or sys.platform != "linux" or os.geteuid() != 0:
        return
    words = ["unshare", "--net", "--mount", "--propagation", "private"]
    if shutil.which("unshare") is None or subprocess.run([*words, "true"], check=False, capture_output=True).returncode:
        return
    os.environ[INSIDE] = "1"
    os.execvp(words[0], [*words, sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - our own command line, again


class Ground:
    """One world. `folder` is empty. `environ`: what the federation's processes need to stand on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.data.mkdir()
        self.environ: dict[str, str] = {}
        self.missing: dict[str, str] = {}
        """Kind of fault -> why it cannot be made here."""
        self._image, self._ballast = folder / "disk.img", self.data / "ballast"
        self._clocks: mmap.mmap | None = None
        inside = INSIDE in os.environ
        self._try("disk", self._mount_first, inside=inside)
        self._try("link", self._own_network, inside=inside)
        self._try("clock", self._preload, inside=True)
        if "disk" in self.missing:
            self.missing["power"] = self.missing["disk"]

    def _try(self, kind: str, make: object, *, inside: bool) -> None:
        if not inside:
            self.missing[kind] = "this takes root on Linux, with namespaces of one's own"
            return
        try:
            make()  # type: ignore[operator]
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", None)
            self.missing[kind] = (said.decode().strip() if said else str(error)) or repr(error)

    # Disk

    def _mount_first(self) -> None:
        with self._image.open("wb") as image:
            image.truncate(_DISK_BYTES)
        _run("mkfs.ext4", "-q", "-m", "0", str(self._image))
        self.mount()

    def mount(self) -> None:
        """The disk under the data folder; its journal is played back."""
        _run("mount", "-o", "loop,nodiscard", str(self._image), str(self.data))

    def unmount(self) -> None:
        """Take it away; nobody may have a file open on it."""
        _run("umount", str(self.data))

    def cut_power(self) -> None:
        """From now on nothing gets to the disk, and what was not synced never has."""
        folder = os.open(self.data, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(folder)

    def fill(self) -> bool:
        """Take all the space there is; whether a write is refused now."""
        file = os.open(self._ballast, os.O_CREAT | os.O_WRONLY)
        try:
            space = os.statvfs(self.data)
            size_bytes = space.f_bavail * space.f_frsize
            while size_bytes > space.f_frsize:  # what is free is not all in one piece to be had
                try:
                    os.posix_fallocate(file, os.fstat(file).st_size, size_bytes)
                except OSError:
                    size_bytes //= 2
            return self._is_full()
        except OSError:
            return self._is_full()
        finally:
            os.close(file)

    def _is_full(self) -> bool:
        space = os.statvfs(self.data)
        return space.f_bavail * space.f_frsize < 1024 * 1024

    def empty(self) -> None:
        """Give the space back."""
        self._ballast.unlink(missing_ok=True)

    # Network

    @staticmethod
    def _own_network() -> None:
        _run("ip", "link", "set", "lo", "up")
        _run("ip", "rule", "add", "pref", _LOCAL_RULE, "lookup", "local")
        _run("ip", "rule", "del", "pref", "0")

    @staticmethod
    @contextlib.contextmanager
    def link_cut(port: int, *, way: str) -> Iterator[None]:
        """Drop what is sent to (`way` "dport") or by ("sport") a port: connections stay open, with nothing coming."""
        rule = ("pref", _OWN_RULES, "ipproto", "tcp", way, str(port), "blackhole")
        _run("ip", "rule", "add", *rule)
        try:
            yield
        finally:
            _run("ip", "rule", "del", *rule)

    @staticmethod
    def ports() -> dict[int, set[int]]:
        """Process id -> ports it listens on."""
        found: dict[int, set[int]] = {}
        for line in _run("ss", "-Htlnp").splitlines():
            words = line.split()
            for piece in line.split("pid=")[1:]:
                found.setdefault(int(piece.partition(",")[0]), set()).add(int(words[3].rpartition(":")[2]))
        return found

    # Clocks

    def _preload(self) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None or sys.platform != "linux":
            raise FileNotFoundError("a C compiler on Linux makes the library that moves a clock")
        library, table = self.folder / "clock.so", self.folder / "clocks"
        _run(compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(Path(__file__).with_name("clock.c")), "-ldl")
        with table.open("w+b") as file:
            file.truncate(_SLOTS * ctypes.sizeof(ctypes.c_long))
            self._clocks = mmap.mmap(file.fileno(), 0)
        self.environ = {"LD_PRELOAD": str(library), "SOAK_CLOCK": str(table)}

    def set_clock(self, pid: int, off_s: int) -> None:
        """A process's wall clock is off by so much from now on; 0 sets it right."""
        assert self._clocks is not None
        size = ctypes.sizeof(ctypes.c_long)
        place = (pid % _SLOTS) * size
        self._clocks[place : place + size] = off_s.to_bytes(size, sys.byteorder, signed=True)

    def close(self) -> None:
        """The disk goes; the namespaces end with the process."""
        if "disk" not in self.missing:
            subprocess.run(["umount", "-l", str(self.data)], check=False, capture_output=True)


@contextlib.contextmanager
def ground() -> Iterator[Ground]:
    """A world in a fresh folder, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="trinario-soak-") as folder:
        found = Ground(Path(folder))
        try:
            yield found
        finally:
            found.close()


def _run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True).stdout.decode()
