"""Settings: which source wins, and what an error says."""

from pathlib import Path

import pytest

from bus.config import ConfigurationError, Settings, explain, load


def _file(folder: Path, text: str) -> Path:
    path = folder / "trinario.toml"
    path.write_text(text)
    return path


def test_without_any_source_everything_is_the_default() -> None:
    """No file, no environment, no flags."""
    loaded = load(None, {}, {})
    assert loaded.settings == Settings()
    assert loaded.origin == {}
    assert ("router.batch", 512, "default") in explain(loaded)


def test_later_sources_win_and_are_named(tmp_path: Path) -> None:
    """Defaults, file, environment, flags, in this order."""
    path = _file(
        tmp_path, "[router]\nbatch = 1\nrecord_bytes = 99999\n[rails.whatsapp]\nport = 7\n[log]\nlevel = 'debug'"
    )
    environ = {"TRINARIO_ROUTER__BATCH": "128", "TRINARIO_RAILS__WHATSAPP__PORT": "8", "PATH": "/bin"}
    loaded = load(path, environ, {"rails.whatsapp.port": 9, "nats.url": None, "data": "/srv/bus"})
    settings = loaded.settings
    assert (settings.router.batch, settings.router.record_bytes, settings.log.level) == (128, 99999, "debug")
    assert settings.rails["whatsapp"].port == 9
    assert settings.data == Path("/srv/bus")
    assert loaded.origin == {
        "router.batch": "environment TRINARIO_ROUTER__BATCH",
        "router.record_bytes": str(path),
        "rails.whatsapp.port": "flag",
        "log.level": str(path),
        "data": "flag",
    }
    assert ("router.batch", 128, "environment TRINARIO_ROUTER__BATCH") in explain(loaded)


def test_the_data_folder_comes_from_the_environment() -> None:
    """`TRINARIO_DATA`."""
    assert load(None, {"TRINARIO_DATA": "/srv/bus"}, {}).settings.data == Path("/srv/bus")


@pytest.mark.parametrize(
    ("text", "environ", "overrides", "said"),
    [
        ("[router]\nbacth = 1", {}, {}, r"router\.bacth \(.*toml\) is not a setting\. Did you mean router\.batch\?"),
        ("batch = 1", {}, {}, r"batch \(.*toml\) is not a setting"),
        (
            "",
            {"TRINARIO_ROUTER__BATHC": "1"},
            {},
            r"router\.bathc \(environment TRINARIO_ROUTER__BATHC\).*router\.batch",
        ),
        ("", {"TRINARIO_ROUTER__BATCH": "many"}, {}, r"router\.batch = 'many' \(environment .*\) does not fit: .*int"),
        ("[router]\nbatch = '128'", {}, {}, r"router\.batch = '128' \(.*toml\) does not fit"),
        ("[router]\nbatch = 0", {}, {}, r"router\.batch = 0 .*>= 1"),
        ("[rails.whatsapp]\nprot = 1", {}, {}, r"rails\.whatsapp\.prot .*Did you mean rails\.NAME\.port\?"),
        ("[log]\nlevel = 'loud'", {}, {}, r"log\.level = 'loud'"),
        ("router = 1", {}, {}, r"router \(.*toml\) is not a setting"),
        ("router = [", {}, {}, r"trinario\.toml is not TOML"),
        ("", {}, {"router.batch": -1}, r"router\.batch = -1 \(flag\)"),
    ],
)
def test_an_error_names_the_key_the_source_and_the_way_out(
    tmp_path: Path, text: str, environ: dict[str, str], overrides: dict[str, object], said: str
) -> None:
    """A table of wrong settings and what is said about each."""
    with pytest.raises(ConfigurationError, match=said):
        load(_file(tmp_path, text), environ, overrides)


def test_a_missing_file_is_an_error_and_a_secret_is_not_repeated(tmp_path: Path) -> None:
    """Error texts end up in logs: tokens must not be in them."""
    with pytest.raises(ConfigurationError, match=r"none\.toml cannot be read"):
        load(tmp_path / "none.toml", {}, {})
    with pytest.raises(ConfigurationError) as refused:
        load(_file(tmp_path, "[rails.whatsapp]\npartner_token = 1234567"), {}, {})
    assert "1234567" not in str(refused.value)
