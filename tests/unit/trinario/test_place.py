"""Which data folder is meant, and that only its owner can read what is in it."""

import stat
from pathlib import Path

import msgspec
import platformdirs
import pytest

from schemas.handles import Handle
from trinario.credentials import partner_credentials
from trinario.failures import Failed, Misconfigured, NotFound, NotReachable
from trinario.place import Daemon, Place, Running, write_private
from trinario.sessions import Session, Sessions

BOB = Handle("instagram:@bob")


def mode(path: Path) -> int:
    """Who may do what with a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_the_flag_wins_over_the_environment_over_the_platform(tmp_path: Path) -> None:
    """``--data``, TRINARIO_DATA, then the platform's folder; an empty variable says nothing."""
    flag, variable = tmp_path / "flag", tmp_path / "variable"
    assert Place.chosen(flag, {"TRINARIO_DATA": str(variable)}).data == flag
    assert Place.chosen(None, {"TRINARIO_DATA": str(variable)}).data == variable
    assert Place.chosen(None, {"TRINARIO_DATA": ""}).data == Path(platformdirs.user_data_dir("trinario", False))


def test_run_json_is_read_back(tmp_path: Path) -> None:
    """What `up` writes is what the others read; unknown members of a newer one do no harm."""
    place = Place(data=tmp_path)
    running = Running(
        ready=True,
        data=str(tmp_path),
        nats="nats://127.0.0.1:1",
        rails={"whatsapp": "http://127.0.0.1:2"},
        daemons={"router": Daemon(pid=7)},
    )
    write_private(place.run_file, msgspec.json.encode({**msgspec.to_builtins(running), "more": 1}))
    assert place.running() == running
    assert mode(place.run_file) == 0o600


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"ready": true}'])
def test_no_usable_run_json_means_not_reachable(tmp_path: Path, content: bytes | None) -> None:
    """Missing, cut off or of another kind: the way out is in the text."""
    place = Place(data=tmp_path)
    if content is not None:
        place.run_file.write_bytes(content)
    with pytest.raises(NotReachable, match="trinario up"):
        place.running()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Failed, match="file/data"):
        Place(data=tmp_path / "file" / "data").folder()


def test_sessions_are_for_their_owner_only(tmp_path: Path) -> None:
    """0600 in a 0700 folder, also when an older one is replaced; a handle cannot leave the folder."""
    sessions = Sessions(Place(data=tmp_path / "data"))
    for handle in (BOB, Handle("messenger:../../bob")):
        assert sessions.find(handle) is None
        sessions.keep(Session(handle=handle, token="one"))
        sessions.keep(Session(handle=handle, token="two"))
        assert sessions.get(handle).token == "two"
    folder = tmp_path / "data" / "sessions"
    files = list(folder.iterdir())
    assert len(files) == 2
    assert {mode(file) for file in files} == {0o600}
    assert mode(folder) == 0o700


def test_no_session_says_how_to_get_one(tmp_path: Path) -> None:
    """The command to type is in the text."""
    with pytest.raises(NotFound, match="trinario account register instagram:@bob"):
        Sessions(Place(data=tmp_path)).get(BOB)


def test_partner_credentials_are_made_once(tmp_path: Path) -> None:
    """The same ever after, different for each rail, 0600; a damaged file is not replaced in silence."""
    place = Place(data=tmp_path)
    first = partner_credentials(place, "whatsapp")
    assert partner_credentials(place, "whatsapp") == first
    assert partner_credentials(place, "messenger").partner_secret != first.partner_secret
    file = tmp_path / "secrets" / "whatsapp.json"
    assert mode(file) == 0o600
    file.write_text("{")
    with pytest.raises(Misconfigured, match=r"whatsapp\.json"):
        partner_credentials(place, "whatsapp")
