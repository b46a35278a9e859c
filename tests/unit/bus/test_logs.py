"""Logs tell what went wrong, and nothing that anybody wrote or that must stay secret."""

import pytest
import structlog

from bus import logs


def test_tracebacks_hold_no_locals(capsys: pytest.CaptureFixture[str]) -> None:
    """A frame's variables may be texts, tokens or secrets."""
    logs.configure("info", "json")
    partner_secret = "do-not-" + "show"
    try:
        int("x" * len(partner_secret))
    except ValueError:
        structlog.get_logger("t").exception("thing.failed")
    said = capsys.readouterr().err
    assert "thing.failed" in said
    assert "ValueError" in said
    assert "do-not-show" not in said
