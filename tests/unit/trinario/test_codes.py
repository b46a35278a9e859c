"""Codes prove what they are meant to prove, and nothing else."""

import stat
from pathlib import Path

import pytest

from schemas.handles import Handle
from trinario.codes import GOOD_FOR_MS, TRIES, Codes, judge, make
from trinario.failures import NotFound, Refused
from trinario.place import Place

ALICE, ALSO_ALICE = Handle("whatsapp:+393331112222"), Handle("instagram:@alice")
NOW_MS = 1_800_000_000_000


def test_both_codes_in_any_order() -> None:
    """As people type them: swapped, with a space in the middle."""
    asked, (one, other) = make(ALICE, ALSO_ALICE, now_ms=NOW_MS)
    assert judge(asked, [one, other], now_ms=NOW_MS + GOOD_FOR_MS - 1) == "right"
    assert judge(asked, [f"{other[:3]} {other[3:]}", one], now_ms=NOW_MS) == "right"


def test_less_than_both_is_nothing() -> None:
    """One code, one of them twice, too many, or something else."""
    asked, (one, other) = make(ALICE, ALSO_ALICE, now_ms=NOW_MS)
    wrong = f"{(int(one) + 1) % 10**6:06}"
    for given in ([], [one], [one, one], [one, other, other], [one, wrong], ["\ud800", other], ["", ""]):
        if sorted(given) != sorted([one, other]):
            assert judge(asked, given, now_ms=NOW_MS) == "wrong", given


def test_codes_grow_old() -> None:
    """Right codes come too late one millisecond after their time."""
    asked, codes = make(ALICE, ALSO_ALICE, now_ms=NOW_MS)
    assert judge(asked, codes, now_ms=NOW_MS + GOOD_FOR_MS) == "late"


def test_they_are_used_up(tmp_path: Path) -> None:
    """Once right, they are gone; nobody else may read the file, and the codes are not in it."""
    kept = Codes(Place(data=tmp_path))
    asked, codes = make(ALICE, ALSO_ALICE, now_ms=NOW_MS)
    kept.keep(asked)
    (file,) = (tmp_path / "links").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not any(code in file.read_text() for code in codes)
    kept.proven(ALSO_ALICE, ALICE, codes, now_ms=NOW_MS)
    with pytest.raises(NotFound, match="No codes are out"):
        kept.proven(ALICE, ALSO_ALICE, codes, now_ms=NOW_MS)


def test_guessing_ends(tmp_path: Path) -> None:
    """After a few wrong ones the right ones are refused, too."""
    kept = Codes(Place(data=tmp_path))
    asked, codes = make(ALICE, ALSO_ALICE, now_ms=NOW_MS)
    kept.keep(asked)
    for _ in range(TRIES):
        with pytest.raises(Refused, match="not the two codes"):
            kept.proven(ALICE, ALSO_ALICE, ["no", "no"], now_ms=NOW_MS)
    with pytest.raises(Refused, match="no longer good"):
        kept.proven(ALICE, ALSO_ALICE, codes, now_ms=NOW_MS)
