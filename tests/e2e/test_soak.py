"""A short soak: six people write for three quarters of a minute while daemons are killed, stopped and annoyed.

The long one is `make soak`; this one keeps it working, and prints its seed.
"""

import secrets
from pathlib import Path

import pytest

from tests.soak.__main__ import soak, troubles

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.mark.parametrize("servers", [1, 3])
async def test_nothing_is_lost_whatever_dies(tmp_path: Path, servers: int) -> None:
    """0 lost, 0 twice, 0 out of order, read states agree; the faults did happen. On one nats-server, and on three."""
    seed = secrets.randbelow(2**31)
    report, _ = await soak(seed=seed, minutes=0.75, size=6, folder=tmp_path, servers=servers)
    assert troubles(report) == [], f"seed={seed}"
