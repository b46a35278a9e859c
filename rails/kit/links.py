"""Addresses of files: on the rail's own origin, signed, good for a time, like the platforms' own."""

import hashlib
import hmac
from collections.abc import Callable
from urllib.parse import quote

PATH = "/attachments/"
SHORT_MS = 5 * 60 * 1000
LONG_MS = 30 * 24 * 3600 * 1000


class MediaLinks:
    """Makes and checks the addresses. `origin` is asked when one is made: a rail learns its port when it starts."""

    def __init__(self, *, secret: str, origin: Callable[[], str], now_ms: Callable[[], int]) -> None:
        self._key = hmac.new(secret.encode(), b"media links", hashlib.sha256).digest()
        self._origin = origin
        self._now_ms = now_ms

    def url(self, media_id: str, *, good_for_ms: int = LONG_MS) -> str:
        """An address that is good for a while."""
        until_s = (self._now_ms() + good_for_ms) // 1000
        return f"{self._origin()}{PATH}?mid={quote(media_id)}&ext={until_s}&hash={self._sign(media_id, str(until_s))}"

    def is_good(self, media_id: str, until_s: str, signature: str) -> bool:
        """Whether this rail made the address and its time has not run out."""
        if not until_s.isascii() or not until_s.isdecimal() or len(until_s) > 12 or not signature.isascii():
            return False
        if not hmac.compare_digest(self._sign(media_id, until_s), signature):
            return False
        return int(until_s) * 1000 >= self._now_ms()

    def _sign(self, media_id: str, until_s: str) -> str:
        return hmac.new(self._key, f"{media_id}|{until_s}".encode(), hashlib.sha256).hexdigest()[:40]
