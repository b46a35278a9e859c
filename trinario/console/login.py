"""Logging in: whoever can read the data folder (or the terminal of `trinario up`) may use the page.

The key is in ``console.key`` (mode 0600) and behind the ``#`` of the address, a part that browsers send to nobody. The
page gives it back once and gets a cookie: an end of validity, signed with the key. So a new key ends all sessions, and
nothing else is kept. A clean stop removes the key; after a crash it still holds, so that the address printed by `up`
does, too.
"""

import hmac
import secrets
import time
from collections.abc import Callable
from hashlib import sha256

from trinario.place import Place, write_private
from trinario.ports import HOST

VALID_S = 12 * 3600
_KEY_BYTES = 24
_FILE = "console.key"


class Login:
    """One key, and the cookies made from it. `now_s`: Unix seconds."""

    def __init__(self, *, key: str, now_s: Callable[[], float] = time.time) -> None:
        self._key, self._now_s = key, now_s

    def redeem(self, key: str) -> str | None:
        """A cookie's value for the right key, None for any other."""
        if not hmac.compare_digest(key.encode(), self._key.encode()):
            return None
        ends_s = str(int(self._now_s()) + VALID_S)
        return f"{ends_s}.{self._signed(ends_s)}"

    def admits(self, cookie: str | None) -> bool:
        """Whether a cookie is ours and still holds."""
        ends_s, _, signature = (cookie or "").partition(".")
        if not hmac.compare_digest(signature.encode(), self._signed(ends_s).encode()):
            return False
        return int(ends_s) > self._now_s()

    def _signed(self, ends_s: str) -> str:
        return hmac.new(self._key.encode(), f"session until {ends_s}".encode(), sha256).hexdigest()


def kept_key(place: Place) -> str:
    """The key of the data folder; made when there is none."""
    path = place.data / _FILE
    try:
        found = path.read_text().strip()
    except FileNotFoundError:
        found = ""
    if found:
        return found
    made = secrets.token_urlsafe(_KEY_BYTES)
    write_private(place.folder() / _FILE, f"{made}\n".encode())
    return made


def forget_key(place: Place) -> None:
    """After a clean stop the address that was printed opens nothing any more."""
    (place.data / _FILE).unlink(missing_ok=True)


def address(place: Place, *, port: int) -> str:
    """What to open in a browser: the page's address with the key behind ``#``. For a terminal, and for no log."""
    return f"http://{HOST}:{port}/#key={kept_key(place)}"
