"""The data folder: which one is meant, what lies where in it, and who may read it.

    run.json       what `trinario up` runs, and where (while it runs)
    up.lock        held by the one `up` that uses the folder
    trinario.toml  settings, if there are any
    keys/          the bus's keys, one a role
    secrets/       one file a rail: what its federation partner knows
    sessions/      one file a handle
    nats/ rails/ bridges/   each daemon's own storage

Folders are made 0700 and files 0600, whatever the umask.
"""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
import platformdirs

from trinario.failures import Failed, NotReachable


class Daemon(msgspec.Struct, frozen=True, kw_only=True):
    """A daemon that `up` has started."""

    pid: int


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """What run.json says: where everything answers. URLs without a trailing slash."""

    ready: bool
    data: str
    nats: str
    rails: dict[str, str]
    console: str | None = None
    bridges: dict[str, str] = {}
    router: str = ""
    ledger: str = ""
    pid: int = 0
    daemons: dict[str, Daemon] = {}


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A data folder. Nothing is made before it is needed."""

    data: Path

    @classmethod
    def chosen(cls, flag: Path | None, environ: Mapping[str, str] = os.environ) -> "Place":
        """``--data``, else ``TRINARIO_DATA``, else the platform's user data folder."""
        folder = flag or Path(environ.get("TRINARIO_DATA") or platformdirs.user_data_path("trinario", appauthor=False))
        return cls(data=folder.expanduser().absolute())

    @property
    def is_default(self) -> bool:
        """Whether a command without ``--data`` means this folder."""
        return self == Place.chosen(None)

    @property
    def run_file(self) -> Path:
        return self.data / "run.json"

    @property
    def lock_file(self) -> Path:
        return self.data / "up.lock"

    @property
    def config_file(self) -> Path:
        return self.data / "trinario.toml"

    def folder(self, name: str = "") -> Path:
        """A folder in the data folder (or itself), made with mode 0700. Raises `Failed` when it cannot be."""
        path = self.data
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for part in Path(name).parts:  # one by one: `mkdir` gives the mode to the last folder only
                path /= part
                path.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise Failed(
                f"The folder {path} cannot be made ({error.strerror}). Name another with --data or TRINARIO_DATA."
            ) from error
        return path

    def running(self) -> Running:
        """What runs here. Raises `NotReachable` when nothing does, or when run.json cannot be read."""
        try:
            return msgspec.json.decode(self.run_file.read_bytes(), type=Running)
        except FileNotFoundError:
            raise NotReachable(
                f"Nothing runs on the data folder {self.data} (there is no run.json). Start it with "
                "`trinario up`, or name the right folder with --data or TRINARIO_DATA."
            ) from None
        except msgspec.MsgspecError as error:
            raise NotReachable(f"{self.run_file} cannot be read ({error}). Start `trinario up` again.") from error


def write_private(path: Path, content: bytes) -> None:
    """Write a file with mode 0600, whole or not at all: readers see the old content or the new."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - the descriptor carries the mode from the start
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        raise
