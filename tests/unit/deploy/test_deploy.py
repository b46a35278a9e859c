"""The files in deploy/ name commands and ports that there are. What their own linters say: `make deploy-check`."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rails.catalogue import BUNDLED
from trinario.main import build
from trinario.ports import DEFAULT_BASE, planned

DEPLOY = Path(__file__).parents[3] / "deploy"


def _compose() -> dict[str, list[str]]:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    return {name: service["command"] for name, service in services.items()}


def _pod() -> dict[str, dict[str, Any]]:
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "trinario.yaml").read_text()))
    return {one["name"]: one for one in documents[0]["spec"]["template"]["spec"]["containers"]}


def _wanted() -> set[str]:
    return set(planned(DEFAULT_BASE, list(BUNDLED)).all())


def _units() -> Iterator[str]:
    for unit in sorted((DEPLOY / "systemd").iterdir()):
        yield from (line for line in unit.read_text().splitlines() if line.startswith("ExecStart="))


@pytest.mark.parametrize("where", ["compose", "kubernetes"])
def test_every_daemon_runs_and_by_a_command_that_there_is(where: str) -> None:
    """All of `trinario up`, none twice, each understood by the command line."""
    commands = _compose() if where == "compose" else {name: one["args"] for name, one in _pod().items()}
    assert commands.keys() == _wanted()
    for name, words in commands.items():
        command, _, _ = build().parse_args(words, exit_on_error=False, print_error=False)
        assert command.__name__.endswith("run")
        assert name == "-".join(word for word in words if word != "run")


def test_the_pods_probes_ask_the_ports_of_the_plan() -> None:
    """A probe of another port would keep the pod from being ready for good."""
    ports = planned(DEFAULT_BASE, list(BUNDLED)).all()
    for name, container in _pod().items():
        probe = container["readinessProbe"]["exec"]["command"][-1]
        assert str(ports[name]) in probe, name
        compile(probe, name, "exec")


def test_the_units_start_what_is_installed() -> None:
    """`up` by itself; one daemon by the shell's word splitting."""
    everything, single = sorted(_units(), key=len)
    assert shlex.split(everything.partition("=")[2])[1:] == ["up", "--processes"]
    assert "/opt/trinario/bin/trinario" in single
