"""Published clients in other languages: installed as their users install them, run as programs of their own."""

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.integration.rails.conftest import House, http, open_house, open_receiver

__all__ = ["http", "open_house", "open_receiver"]

HERE = Path(__file__).parent / "node"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)


@pytest.fixture(scope="session")
def node_clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with our programs and the libraries they use, in the versions that package.json names."""
    folder = tmp_path_factory.mktemp("node")
    shutil.copytree(HERE, folder, dirs_exist_ok=True)
    (folder / "a.png").write_bytes(PNG)
    return folder


async def run(folder: Path, program: str, house: House, node: dict[str, Any], **more: str) -> dict[str, Any]:
    """Run one program against a rail; its calls with their answers. A call that failed has a str."""
    if not (folder / "node_modules").exists():
        await _done("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", cwd=folder)
    rail = {
        "url": house.url,
        "node": node["node_id"],
        "token": node["access_token"],
        "secret": node["app_secret"],
        "verify": node["verify_token"],
        **more,
    }
    environ = {**os.environ, "RAIL": json.dumps(rail), "PNG": str(folder / "a.png")}
    told = [json.loads(line) for line in (await _done("node", f"{program}.mjs", cwd=folder, env=environ)).splitlines()]
    return {one["call"]: one.get("failed", one.get("answer")) for one in told}


async def _done(*words: str, **more: Any) -> str:
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, **more
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, err.decode()[-3000:]
    return out.decode()
