"""The tree of commands: each is what the contract names, loads, and explains itself with an example."""

import functools
import io
import re
from collections.abc import Iterator

import pytest
from cyclopts import App
from rich.console import Console

from trinario.main import build

OFFERED = {
    "timer",
    "mark",
    "up",
    "backup",
    "restore",
    "nats run",
    "rail run",
    "rail node create",
    "bridge run",
    "bridge new",
    "router run",
    "ledger run",
    "ledger rebuild",
    "config explain",
    "console run",
    "account register",
    "account block",
    "account unblock",
    "send",
    "inbox",
    "read",
    "watch",
    "chat",
    "edit",
    "unsend",
    "react",
    "vote",
    "download",
    "group create",
    "group list",
    "group show",
    "group invite",
    "group leave",
    "group remove",
    "group unban",
    "group role",
    "group rename",
    "group close",
    "group plan",
    "person list",
    "person show",
    "person link",
    "person unlink",
    "person prefer",
    "person timer",
    "route explain",
    "route diff",
    "trace",
    "why",
    "check",
    "search",
    "loss",
    "repair",
    "status",
    "top",
    "tail",
    "dead list",
    "dead show",
    "dead redrive",
    "dead drop",
    "doctor",
}


def commands(app: App, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Every command and family below an app, and whether it is a family."""
    for name in app:
        if name.startswith("-"):
            continue
        child = app[name]
        below = list(commands(child, (*path, name)))
        yield (*path, name), bool(below)
        yield from below


TREE = list(commands(build()))


def helped(words: tuple[str, ...]) -> str:
    """What ``--help`` prints."""
    page = io.StringIO()
    build().help_print(list(words), console=Console(file=page, width=300, color_system=None))
    return page.getvalue()


def test_the_commands_are_those_of_the_contract_that_are_built() -> None:
    """A command that is not built is not offered."""
    assert {" ".join(words) for words, is_family in TREE if not is_family} == OFFERED


@pytest.mark.parametrize("words", [words for words, _ in TREE], ids=" ".join)
def test_every_command_has_help_with_an_example(words: tuple[str, ...]) -> None:
    """The example begins with the command itself (or sets a variable for it)."""
    page = helped(words)
    assert f"Usage: trinario {' '.join(words)}" in page
    _, _, example = page.partition("Example:")
    assert f"trinario {' '.join(words)}" in example


@pytest.mark.parametrize("words", [words for words, is_family in TREE if not is_family], ids=" ".join)
def test_every_command_takes_data_and_json_and_explains_its_parameters(words: tuple[str, ...]) -> None:
    """All commands answer in JSON; no parameter is without its sentence."""
    page = helped(words)
    assert "--data" in page
    assert "--json" in page
    command = functools.reduce(lambda app, name: app[name], words, build())
    names = [argument.name for argument in command.assemble_argument_collection() if argument.show]
    assert [name for name in names if not re.search(rf"{name}( \S+)*? {{2,}}[A-Za-z$].*\w", page)] == []
