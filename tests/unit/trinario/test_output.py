"""What goes to stdout and stderr, and which number an error becomes."""

import importlib
import io
import json

import pytest

from schemas.errors import BadHandle
from trinario import failures
from trinario.client import ERRORS, AddressTaken, Unauthorised
from trinario.output import EXIT_CODES, Output, exit_code, printable, table


@pytest.mark.parametrize("name", EXIT_CODES)
def test_every_name_in_the_table_is_an_exception(name: str) -> None:
    """A renamed exception must not silently become a fault of ours."""
    module, _, kind = name.rpartition(".")
    assert issubclass(getattr(importlib.import_module(module), kind), BaseException)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (failures.Failed("x"), 1),
        (failures.Misused("x"), 2),
        (BadHandle("bob"), 2),
        (failures.NotFound("x"), 3),
        (Unauthorised("x"), 3),
        (failures.Refused("x"), 4),
        (AddressTaken("x"), 4),
        (failures.NotReachable("x"), 69),
        (ConnectionRefusedError(), 69),
        (failures.Misconfigured("x"), 78),
        (PermissionError(), 78),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError(), None),
    ],
)
def test_errors_become_the_contracts_codes(error: BaseException, code: int | None) -> None:
    """The nearest ancestor in the table counts; what is not ours has no code."""
    assert exit_code(error) == code


def test_a_rails_answers_become_the_contracts_codes() -> None:
    """Unknown: 3. Unavailable or too long: 4. Away: 69."""
    codes = {code: exit_code(kind("x")) for code, kind in ERRORS.items()}
    assert codes["unknown_recipient"] == 3
    assert codes["recipient_unavailable"] == codes["too_long"] == codes["address_taken"] == 4
    assert codes["not_reachable_now"] == 69


def _output(*, as_json: bool) -> tuple[Output, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return Output(as_json=as_json, out=out, err=err), out, err


def test_json_is_one_line_a_document_in_utf8() -> None:
    """Nothing but data is on stdout."""
    output, out, err = _output(as_json=True)
    output.document({"text": "perché\n日本"}, lambda: "never shown")
    output.note("talk")
    assert out.getvalue().count("\n") == 1
    assert json.loads(out.getvalue()) == {"text": "perché\n日本"}
    assert "日本" in out.getvalue()
    assert err.getvalue() == "talk\n"


def test_streams_are_json_lines() -> None:
    """A document a line; none for an empty list."""
    output, out, _ = _output(as_json=True)
    output.documents([{"n": 1}, {"n": 2}], lambda: "never shown")
    output.documents([], lambda: "never shown")
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [{"n": 1}, {"n": 2}]


def test_people_get_a_table() -> None:
    """With what is in it, or a sentence when nothing is."""
    output, out, _ = _output(as_json=False)
    output.documents([], lambda: table(("who", "what"), [("Bob", "[bold]hi[/bold]")], empty="Nothing."))
    output.documents([], lambda: table(("who", "what"), [], empty="Nothing."))
    assert "Bob" in out.getvalue()
    assert "[bold]hi[/bold]" in out.getvalue()
    assert out.getvalue().endswith("Nothing.\n")


def test_a_strangers_text_cannot_drive_the_terminal() -> None:
    """Escape characters are made visible; lines and other scripts stay."""
    assert printable("\x1b[2Jciao\u009b\nperché") == "\\x1b[2Jciao\\x9b\nperché"
