"""Logs that hold no secrets, and daemons that drain."""

import asyncio
import signal
import sys

import msgspec
import pytest
import structlog

from bus import logs
from tests import must

_DAEMON = """
import asyncio
from bus import logs, runtime

async def main():
    print("ready", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0.01)
        print("drained", flush=True)

logs.configure()
raise SystemExit(runtime.run_daemon(main))
"""


@pytest.fixture(autouse=True)
def _restore_logs() -> None:
    structlog.reset_defaults()


def test_secrets_and_what_people_wrote_never_reach_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    """At any depth; and a value cannot forge a line."""
    logs.configure("info", "json")
    structlog.get_logger().info(
        "leg.settled",
        leg="leg_1",
        text="hello bob",
        request={"Token": "t0ps3cret", "deep": [{"address": "+39333"}, ("seed", {"seed": "SUAB"})]},
        forged='x"}\n{"event":"y',
    )
    structlog.get_logger().debug("not.shown")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    found = msgspec.json.decode(lines[0])
    assert (found["event"], found["leg"], found["level"]) == ("leg.settled", "leg_1", "info")
    assert not [word for word in ("hello", "t0ps3cret", "+39333", "SUAB") if word in lines[0]]


def test_the_console_format_lets_no_control_characters_through(capsys: pytest.CaptureFixture[str]) -> None:
    """A value can neither begin a new line nor steer the terminal."""
    logs.configure("info", "console")
    structlog.get_logger().info("leg.settled", leg="a\nb\x1b[2J")
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "\x1b[2J" not in err
    with pytest.raises(ValueError, match="'loud' is not a log level"):
        logs.configure("loud")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_drains_a_daemon_and_it_exits_with_0(number: signal.Signals) -> None:
    """Its `finally` blocks run to their end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _DAEMON, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), must.PATIENCE_S) == b"ready\n"
    process.send_signal(number)
    out, _ = await asyncio.wait_for(process.communicate(), must.PATIENCE_S)
    assert (out, process.returncode) == (b"drained\n", 0)
