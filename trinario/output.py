"""What a command prints, and the code it exits with.

Data goes to stdout: one JSON document or JSON lines with ``--json``, tables for people otherwise. Talk goes to stderr.
`EXIT_CODES` is the only place where an error becomes a number. Errors of the parts below are named, not imported: a
command that does not touch the bus must not pay for loading it.
"""

import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import RenderableType

DONE, FAILED, USAGE, NOT_FOUND, REFUSED = 0, 1, 2, 3, 4
NOT_REACHABLE, CONFIGURATION, INTERRUPTED = 69, 78, 130

EXIT_CODES: Mapping[str, int] = {
    "trinario.failures.Failed": FAILED,
    "trinario.failures.Misused": USAGE,
    "trinario.failures.NotFound": NOT_FOUND,
    "trinario.failures.Refused": REFUSED,
    "trinario.failures.NotReachable": NOT_REACHABLE,
    "trinario.failures.Misconfigured": CONFIGURATION,
    "schemas.errors.BadHandle": USAGE,
    "schemas.errors.NotUnderstood": FAILED,
    "bus.config.ConfigurationError": CONFIGURATION,
    "bus.connection.NotConnected": NOT_REACHABLE,
    "bus.connection.NoAnswer": NOT_REACHABLE,
    "bus.connection.NoResponder": NOT_REACHABLE,
    "bus.connection.ApiError": FAILED,
    "bus.health.AddressTaken": CONFIGURATION,
    "bus.keys.BadKey": CONFIGURATION,
    "bus.publish.BusUnavailable": NOT_REACHABLE,
    "bus.service.CannotAnswer": FAILED,
    "bus.service.NobodyAnswers": NOT_REACHABLE,
    "bus.server.ServerError": FAILED,
    "bus.server.PortTaken": CONFIGURATION,
    "bus.server.StoreLocked": CONFIGURATION,
    "bus.topology.TopologyError": CONFIGURATION,
    "router.explain.UnknownConversation": NOT_FOUND,
    "router.explain.UnknownHandle": NOT_FOUND,
    "router.replay.BadPolicy": USAGE,
    "builtins.KeyboardInterrupt": INTERRUPTED,
    "asyncio.exceptions.CancelledError": INTERRUPTED,
    "builtins.BrokenPipeError": FAILED,
    "builtins.PermissionError": CONFIGURATION,
    "builtins.ConnectionError": NOT_REACHABLE,
    "builtins.TimeoutError": NOT_REACHABLE,
    "builtins.OSError": FAILED,
}
"""Exception -> exit code; the nearest ancestor counts. What is not here is a fault of ours: shown with a traceback."""


def exit_code(error: BaseException) -> int | None:
    """The exit code of an error, or None when it is none that a command may end with."""
    for kind in type(error).__mro__:
        code = EXIT_CODES.get(f"{kind.__module__}.{kind.__qualname__}")
        if code is not None:
            return code
    return None


_WIDTH_WITHOUT_TERMINAL = 160


class Output:
    """One command's stdout and stderr."""

    def __init__(self, *, as_json: bool, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.as_json = as_json
        self._out, self._err = out or sys.stdout, err or sys.stderr

    def document(self, value: object, shown: "Callable[[], RenderableType | str]") -> None:
        """One JSON document, or what `shown` makes for people. A stream calls it once an item."""
        if self.as_json:
            print(json.dumps(value, ensure_ascii=False), file=self._out, flush=True)
        else:
            self._show(shown())

    def documents(self, values: Iterable[object], shown: "Callable[[], RenderableType | str]") -> None:
        """A JSON line for each value, or everything at once for people."""
        if not self.as_json:
            self._show(shown())
            return
        for value in values:
            print(json.dumps(value, ensure_ascii=False), file=self._out)
        self._out.flush()

    def note(self, text: str) -> None:
        """Talk: never data, so it goes to stderr."""
        print(text, file=self._err, flush=True)

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[str], None]]:
        """While something takes its time: a line a step, or on a terminal one line that is gone at the end."""
        if not self._err.isatty():
            yield self.note
            return
        from rich.console import Console  # noqa: PLC0415 - see _show

        with Console(file=self._err).status(what) as status:
            yield lambda step: status.update(f"{what}  {step}")

    def _show(self, shown: "RenderableType | str") -> None:
        if isinstance(shown, str):
            print(shown, file=self._out, flush=True)
            return
        from rich.console import Console  # noqa: PLC0415 - 60 ms that --json need not pay

        width = None if self._out.isatty() else _WIDTH_WITHOUT_TERMINAL
        Console(file=self._out, highlight=False, width=width).print(shown)


def table(columns: Iterable[str], rows: Iterable[Iterable[object]], *, empty: str) -> "RenderableType | str":
    """A plain table; `empty` when there are no rows. Cells are shown as they are, control characters made visible."""
    found = [[printable(str(cell)) for cell in row] for row in rows]
    if not found:
        return empty
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - see _show
    from rich.table import Table  # noqa: PLC0415 - see _show
    from rich.text import Text  # noqa: PLC0415 - see _show

    made = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in found:
        made.add_row(*(Text(cell) for cell in row))
    return made


def printable(text: str) -> str:
    """Text as it may be shown on a terminal: a stranger's message must not move the cursor or colour the screen."""
    if text.isprintable():
        return text
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in ("Cc", "Cs"):
        return character
    return character.encode("unicode_escape").decode()


def clock(at_ms: int) -> str:
    """Unix milliseconds as local time, to the second."""
    return datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S") if at_ms else "-"


def picked(value: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Only these members, in this order."""
    return {key: value[key] for key in keys}
