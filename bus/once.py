"""A small secret file that is made by whoever comes first, whole or not at all; everybody then reads the same.

For keys and credentials that several daemons may want at the same instant on an empty data folder. Not for what
changes later. Called by `bus.keys` and `trinario.credentials`.
"""

import contextlib
import os
import secrets
from pathlib import Path


def write_once(path: Path, content: bytes) -> None:
    """Make the file, mode 0600, on disk when this returns; one that is there already stays. Raises `OSError`.

    A file that was written in place could be read half-written, or stay empty for good after a power cut.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - the descriptor carries the mode from the start
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
        _sync_folder(path.parent)
    finally:
        fresh.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
