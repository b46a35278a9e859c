"""Running one daemon in this process, until it is told to stop: what the ``... run`` commands share."""

import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from bus.config import Settings
from bus.logs import configure
from bus.runtime import run_daemon
from trinario.failures import Misconfigured
from trinario.options import Common
from trinario.output import Output
from trinario.place import Place
from trinario.settings import Machine, machine

Ready = Callable[[dict[str, Any]], None]


def unnoticed(_: dict[str, Any]) -> None:
    """For whoever asks ``/readyz`` instead of waiting to be told."""


def run_alone(common: Common, config: Path | None, serve: Callable[[Settings, Ready], Awaitable[None]]) -> int:
    """Run a daemon until SIGINT or SIGTERM; its exit code. Prints where it is once it is ready."""
    output, settings = common.output(), configured(common, config).settings

    async def run() -> None:
        await serve(settings, lambda what: say_ready(output, what))

    return run_daemon(run)


def configured(common: Common, config: Path | None, *, environ: Mapping[str, str] = os.environ) -> Machine:
    """The settings, with this process's logs set up by them."""
    found = machine(common.place(), config=config, environ=environ)
    configure(level=found.settings.log.level, format=found.settings.log.format)
    return found


def say_ready(output: Output, what: Mapping[str, Any]) -> None:
    """``{"ready": true, "name", "url", ...}``, or a sentence."""
    output.document({"ready": True, **what}, lambda: f"{what['name']} is ready at {what['url']}")


def place_of(settings: Settings) -> Place:
    """The data folder of complete settings."""
    if settings.data is None:
        raise Misconfigured("No data folder is set. Name one with --data or TRINARIO_DATA.")
    return Place(data=settings.data)
