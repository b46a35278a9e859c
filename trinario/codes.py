"""Codes by which two accounts prove that they are one person's: made, kept until they are given back, and checked.

A code is six digits, good for `GOOD_FOR_MS` and for `TRIES` answers, and kept as a keyed hash in ``links/`` of the data
folder (mode 0600). What is sent to whom is `trinario.notices`' business; what a proof is good for, `trinario.people`'s.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Literal

import msgspec

from schemas.handles import Handle
from trinario.failures import NotFound, Refused
from trinario.place import Place, write_private

DIGITS = 6
GOOD_FOR_MS = 10 * 60 * 1000
AGAIN_AFTER_MS = 30 * 1000
"""Nobody is sent codes more often than this for the same two accounts."""
TRIES = 5

Found = Literal["right", "wrong", "late"]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Codes that are out, one for each of two accounts, in their order."""

    handles: tuple[Handle, Handle]
    hashes: tuple[str, str]
    key: str
    """Of the hashes; hex."""
    at_ms: int
    tries_left: int = TRIES

    @property
    def until_ms(self) -> int:
        """When they are worth nothing any more."""
        return self.at_ms + GOOD_FOR_MS


def make(one: Handle, other: Handle, *, now_ms: int) -> tuple[Asked, tuple[str, str]]:
    """What is kept, and the two codes themselves, which are not."""
    codes = (_digits(), _digits())
    key = secrets.token_hex(16)
    hashes = (_hash(key, codes[0]), _hash(key, codes[1]))
    return Asked(handles=(one, other), hashes=hashes, key=key, at_ms=now_ms), codes


def judge(asked: Asked, given: Sequence[str], *, now_ms: int) -> Found:
    """What the codes are worth that people have given, in whatever order and spacing they give them."""
    if now_ms >= asked.until_ms or asked.tries_left <= 0:
        return "late"
    hashes = [_hash(asked.key, "".join(code.split())) for code in given]
    fits = len(hashes) == len(asked.hashes) and _same(sorted(hashes), sorted(asked.hashes))
    return "right" if fits else "wrong"


def _digits() -> str:
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"


def _hash(key: str, code: str) -> str:
    return hmac.new(bytes.fromhex(key), code.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _same(given: Sequence[str], wanted: Sequence[str]) -> bool:
    return hmac.compare_digest("".join(given), "".join(wanted))


class Codes:
    """The codes that are out, a file for every two accounts."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def find(self, one: Handle, other: Handle) -> Asked | None:
        """What was asked last for these two, if anything was. A damaged file counts as nothing."""
        try:
            return msgspec.json.decode((self._place.data / "links" / _name(one, other)).read_bytes(), type=Asked)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None

    def keep(self, asked: Asked) -> None:
        """Instead of what was kept for these two."""
        write_private(self._place.folder("links") / _name(*asked.handles), msgspec.json.encode(asked))

    def forget(self, asked: Asked) -> None:
        """They have done their work, or are of no use any more."""
        (self._place.data / "links" / _name(*asked.handles)).unlink(missing_ok=True)

    def proven(self, one: Handle, other: Handle, given: Sequence[str], *, now_ms: int) -> None:
        """Return when the codes are right; they are used up then. Raises `NotFound` and `Refused`, with the way out."""
        asked = self.find(one, other)
        again = f"Ask for new codes: trinario person link {one} {other}"
        if asked is None:
            raise NotFound(f"No codes are out for {one} and {other}. {again}")
        match judge(asked, given, now_ms=now_ms):
            case "right":
                self.forget(asked)
            case "late":
                self.forget(asked)
                raise Refused(f"These codes are no longer good: too old, or tried too often. {again}")
            case "wrong":
                left = asked.tries_left - 1
                self.keep(msgspec.structs.replace(asked, tries_left=left))
                raise Refused(f"These are not the two codes that {one} and {other} were sent. {left} tries are left.")


def _name(one: Handle, other: Handle) -> str:
    return hashlib.sha256("\n".join(sorted((one, other))).encode()).hexdigest()[:32] + ".json"
