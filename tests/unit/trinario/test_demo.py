"""What a newcomer is told: commands that can be pasted."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from trinario.demo import command_prefix, told
from trinario.main import build
from trinario.place import Place, Running


def test_commands_are_named_as_they_were_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a virtual environment by its path, by name when that finds it, as a module otherwise."""
    script = tmp_path / ".venv" / "bin" / "trinario"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\n")
    script.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setattr(sys, "argv", [str(script)])
    assert command_prefix() == ".venv/bin/trinario"
    monkeypatch.setenv("PATH", str(script.parent))
    assert command_prefix() == "trinario"
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "trinario" / "__main__.py")])
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    assert command_prefix() == ".venv/bin/python -m trinario"


def test_the_three_commands_are_well_formed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each parses as a command of ours, with the folder in it when it is not the default one."""
    monkeypatch.setattr(sys, "argv", ["/elsewhere/trinario"])
    place = Place(data=tmp_path / "a folder")
    rails = {"whatsapp": "http://127.0.0.1:1", "messenger": "http://127.0.0.1:2", "instagram": "http://127.0.0.1:3"}
    page = told(Running(ready=True, data=str(place.data), nats="nats://127.0.0.1:4", rails=rails), place)
    commands = [shlex.split(line) for line in re.findall(r"^   (/elsewhere/trinario .*)$", page, re.MULTILINE)]
    assert [words[1] for words in commands] == ["inbox", "send", "read"]
    for words in commands:
        build().parse_args(words[1:], exit_on_error=False)
        assert words[words.index("--data") + 1] == str(place.data)
    assert all(url in page for url in rails.values())
