"""One bridge as a process: ``python -m tests.integration.bridges.process SETTINGS.json RAIL``; one line when ready."""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from bridges.catalogue import discover
from bridges.kit import daemon
from bus import logs
from bus.config import Settings
from bus.runtime import run_daemon


def _say(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def _path(kind: type, value: Any) -> Any:
    return kind(value)


if __name__ == "__main__":
    logs.configure("info", "json")
    settings = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Settings, dec_hook=_path)
    translator = next(one for name, one in discover().items() if name == sys.argv[2])
    raise SystemExit(run_daemon(lambda: daemon.run(settings, translator=translator, ready=_say)))
