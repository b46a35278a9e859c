"""Keys and credentials that several daemons make at the same instant on an empty data folder."""

import subprocess
import sys
from pathlib import Path

from bus.keys import ensure_keys
from bus.once import write_once
from trinario.credentials import partner_credentials
from trinario.place import Place

ASK = """
import sys
from pathlib import Path
from bus.keys import ensure_keys
from trinario.credentials import partner_credentials
from trinario.place import Place
folder = Path(sys.argv[1])
sys.stdin.read(1)
token = partner_credentials(Place(data=folder), "whatsapp").partner_token
print(token, ensure_keys(folder / "keys", ["router"])["router"].public)
"""


def test_daemons_that_start_together_get_the_same_credentials(tmp_path: Path) -> None:
    """Whoever comes first makes them; nobody goes on with others."""
    askers = [
        subprocess.Popen(
            [sys.executable, "-c", ASK, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for asker in askers:
        assert asker.stdin is not None
        asker.stdin.write("!")
        asker.stdin.flush()
    told = {asker.communicate(timeout=60)[0] for asker in askers}
    assert len(told) == 1
    kept = partner_credentials(Place(data=tmp_path), "whatsapp").partner_token
    assert told == {f"{kept} {ensure_keys(tmp_path / 'keys', ['router'])['router'].public}\n"}


def test_what_is_there_stays_and_nothing_is_left_over(tmp_path: Path) -> None:
    """The first content is the content; only its owner may read it."""
    for content in (b"alice", b"bob"):
        write_once(tmp_path / "one", content)
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
    assert (tmp_path / "one").read_bytes() == b"alice"
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o600
