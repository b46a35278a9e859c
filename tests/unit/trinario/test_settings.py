"""Settings for one machine: what was said wins, and every gap is filled."""

import json
from pathlib import Path

import pytest

from bus.config import ConfigurationError
from trinario.options import Common
from trinario.place import Place
from trinario.settings import addresses, environment, explain, machine


def test_the_port_plan_fills_what_nobody_has_said(tmp_path: Path) -> None:
    """File over plan, environment over file, the flag over all; addresses follow from ports."""
    place = Place(data=tmp_path)
    place.config_file.write_text("[rails.whatsapp]\nport = 9001\n[rails.messenger]\nport = 9002\n")
    environ = {"TRINARIO_RAILS__MESSENGER__PORT": "9003"}
    rails = machine(place, config=None, environ=environ).settings.rails
    assert {name: rail.port for name, rail in rails.items()} == {
        "whatsapp": 9001,
        "messenger": 9003,
        "instagram": 7103,
    }
    assert rails["messenger"].url == "http://127.0.0.1:9003"
    flagged = machine(place, config=None, port_base=8000, environ=environ).settings
    assert [rail.port for rail in flagged.rails.values()] == [8001, 8002, 8003]
    assert flagged.nats.url == "nats://127.0.0.1:8000"


def test_a_child_reads_the_same_settings(tmp_path: Path) -> None:
    """What `up` decided reaches its children; credentials by file, not by environment."""
    place = Place(data=tmp_path)
    ours = machine(place, config=None, port_base=0, quieter=True, environ={})
    environ = environment(ours.settings, runs_nats=ours.runs_nats, environ={})
    assert machine(place, config=None, environ=environ).settings == ours.settings
    assert ours.settings.log.level == "warning"
    secret = ours.settings.rails["whatsapp"].partner_secret
    assert secret
    assert secret not in environ.values()


def test_credentials_that_are_set_are_used(tmp_path: Path) -> None:
    """A rail run by somebody else has its own."""
    environ = {"TRINARIO_RAILS__WHATSAPP__PARTNER_TOKEN": "t", "TRINARIO_RAILS__WHATSAPP__PARTNER_SECRET": "s"}
    rail = machine(Place(data=tmp_path), config=None, environ=environ).settings.rails["whatsapp"]
    assert (rail.partner_token, rail.partner_secret) == ("t", "s")
    assert not (tmp_path / "secrets" / "whatsapp.json").exists()


def test_a_nats_of_ones_own_is_not_started(tmp_path: Path) -> None:
    """`nats.url` says that it runs elsewhere."""
    found = machine(Place(data=tmp_path), config=None, environ={"TRINARIO_NATS__URL": "nats://nats.example:4222"})
    assert not found.runs_nats
    assert addresses(found.settings).nats == "nats://nats.example:4222"


def test_an_unknown_key_is_refused_with_its_path(tmp_path: Path) -> None:
    """And with the nearest known one."""
    place = Place(data=tmp_path)
    place.config_file.write_text("[router]\nbach = 3\n")
    with pytest.raises(ConfigurationError, match=r"router\.bach.*router\.batch"):
        machine(place, config=None, environ={})


def test_explain_says_where_values_come_from_and_hides_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line a key; nothing is written to look."""
    monkeypatch.setenv("TRINARIO_ROUTER__BATCH", "128")
    monkeypatch.setenv("TRINARIO_RAILS__WHATSAPP__PARTNER_SECRET", "hush")
    explain(common=Common(data=tmp_path, json=True))
    page = capsys.readouterr().out
    lines = {line["key"]: line for line in map(json.loads, page.splitlines())}
    assert lines["router.batch"] == {
        "key": "router.batch",
        "value": 128,
        "origin": "environment TRINARIO_ROUTER__BATCH",
    }
    assert lines["data"] == {"key": "data", "value": str(tmp_path), "origin": "flag"}
    assert lines["rails.whatsapp.port"]["origin"] == "port plan"
    assert "hush" not in page
    assert list(tmp_path.iterdir()) == []
