"""What the error answers of the three platforms have in common: ``{"error": {"code", "error_subcode", "message"}}``."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from bridges.kit.contract import Verdict
from bridges.kit.tolerant import UNREADABLE

Meaning = Literal["temporary", "permanent", "bad_credentials"]

ErrorTable = Mapping[tuple[int, int | None], Meaning]
"""(code, subcode) -> meaning; a subcode of None stands for every subcode that has no line of its own."""


class _More(msgspec.Struct, frozen=True):
    federation_code: str = ""


class _Error(msgspec.Struct, frozen=True):
    message: str = ""
    code: int | str = 0
    error_subcode: int | None = None
    federation_code: str = ""
    """Why the federation extension refused, for programs."""
    error_data: _More | None = None


class _Answer(msgspec.Struct, frozen=True):
    error: _Error | None = None


_answers = msgspec.json.Decoder(_Answer)


def judge(status: int, answer: bytes, table: ErrorTable) -> Verdict:
    """An answer -> its meaning. What the table does not name is judged by the HTTP status.

    Every call carries a key or is idempotent by nature, so a 5xx is "try again", whether or not it happened.
    """
    if 200 <= status < 300:
        return Verdict(outcome="done")
    error = _error(answer)
    if error is None:
        return _by_status(status, code=str(status), text=f"HTTP {status}")
    word = error.federation_code or (error.error_data.federation_code if error.error_data is not None else "")
    meaning = _look_up(error, table)
    if word and status < 500 and meaning not in ("temporary", "uncertain", "bad_credentials"):
        # The extension's words say what it will never do; too many calls and a wrong token are the platform's to say.
        return Verdict(outcome="permanent", code=word, text=error.message)
    code = f"{error.code}" if error.error_subcode is None else f"{error.code}/{error.error_subcode}"
    if meaning is None or status >= 500:
        return _by_status(status, code=code, text=error.message)
    return Verdict(outcome=meaning, code=code, text=error.message)


def _error(answer: bytes) -> _Error | None:
    try:
        return _answers.decode(answer).error
    except UNREADABLE:
        return None


def _look_up(error: _Error, table: ErrorTable) -> Meaning | None:
    if not isinstance(error.code, int):
        return None
    return table.get((error.code, error.error_subcode)) or table.get((error.code, None))


def _by_status(status: int, *, code: str, text: str) -> Verdict:
    if status in (401, 403) and code in ("401", "403", "unauthorised"):
        return Verdict(outcome="bad_credentials", code=code, text=text)
    if status in (408, 425, 429) or status >= 500:
        return Verdict(outcome="temporary", code=code, text=text)
    return Verdict(outcome="permanent", code=code, text=text)
