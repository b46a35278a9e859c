"""A rail that nobody has heard of: one new file, made by the command, and the whole suite runs against it unchanged."""

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import msgspec
import pytest

from rails.catalogue import BUNDLED
from rails.kit.daemon import RailServer, RailSettings

ROOT = Path(__file__).parents[2]
PARTS = ("schemas", "bus", "router", "bridges", "rails", "trinario", "tests")
TOKEN, SECRET = "a-partner", "a-secret"
CLAIMS_LEAST = 30
"""Fewer claims shown than this, and the suite has not run against the new rail."""


async def ran(folder: Path, *words: str, **environment: str) -> tuple[int, str]:
    """A Python program in a folder: its exit code and all it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, said.decode()


POORER = ("reply", "edit", "unsend", "reaction")
"""What a rail may well have not; its document then says that it is told in words."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("lacking", [(), POORER], ids=["as it is written", "with little"])
async def test_a_new_bridge_passes_the_suite(tmp_path: Path, lacking: tuple[str, ...]) -> None:
    """In a copy of this repository: `trinario bridge new`, a rail of that name, `pytest tests/conformance -k` it."""
    checkout = tmp_path / "checkout"
    for part in PARTS:
        shutil.copytree(ROOT / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    shutil.copy(ROOT / "pyproject.toml", checkout)

    code, said = await ran(checkout, "-m", "trinario", "bridge", "new", "telegraph", "--data", str(tmp_path / "data"))
    assert code == 0, said
    bridge = checkout / "bridges" / "telegraph.py"
    document = bridge.read_text()
    for feature in lacking:
        document, changed = re.subn(
            rf"^    {feature}=Level\.\w+,", f"    {feature}=Level.FALLBACK,", document, flags=re.MULTILINE
        )
        assert changed == 1
    bridge.write_text(document)

    rail = msgspec.structs.replace(BUNDLED["messenger"], name="telegraph", title="Telegraph")
    settings = RailSettings(data_dir=tmp_path / "rail", partner_token=TOKEN, partner_secret=SECRET)
    server = RailServer(rail=rail, settings=settings)
    await server.start()
    try:
        code, said = await ran(
            checkout,
            *("-m", "pytest", "-v", "tests/conformance", "-k", "telegraph"),
            TRINARIO_CONFORMANCE_TELEGRAPH=f"{server.url} {TOKEN} {SECRET}",
        )
    finally:
        await server.stop()
    assert code == 0, said[-6000:]
    assert "telegraph" not in {file.stem for file in (ROOT / "bridges").glob("*.py")}
    passed = re.search(r"(\d+) passed", said)
    assert passed is not None, said[-4000:]
    assert int(passed[1]) >= CLAIMS_LEAST, said[-4000:]
