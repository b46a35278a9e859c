"""What is on the bus can be read by every later version, and rubbish never raises anything but `NotUnderstood`."""

import contextlib
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import codec
from schemas.errors import NotUnderstood, Refusal, explain

GOLDEN = Path(__file__).parent / "golden"
DECODERS = {
    "event": codec.decode_event,
    "record": codec.decode_record,
    "legs": codec.decode_legs,
    "seats": codec.decode_seats,
    "person": codec.decode_person,
    "conversation": codec.decode_conversation,
    "capabilities": codec.decode_capabilities,
}


def golden_files() -> list[Path]:
    """One file a version: lines of {"type", "msgpack" (hex), "json"}."""
    files = sorted(GOLDEN.glob("v*.jsonl"))
    assert files, "golden files are part of the repository"
    return files


@pytest.mark.parametrize("path", golden_files(), ids=lambda p: p.stem)
def test_bytes_of_every_version_still_mean_the_same(path: Path) -> None:
    """A log written years ago is read today: same bytes, same values."""
    for line in path.read_text().splitlines():
        case = json.loads(line)
        value = DECODERS[case["type"]](bytes.fromhex(case["msgpack"]))
        assert _still_says(json.loads(msgspec.json.encode(codec.to_plain(value))), case["json"]), case["type"]


def _still_says(now: object, then: object) -> bool:
    """Whether everything that was said is still there; later versions may have added members with defaults."""
    if isinstance(now, dict) and isinstance(then, dict):
        return all(key in now and _still_says(now[key], said) for key, said in then.items())
    if isinstance(now, list) and isinstance(then, list):
        return len(now) == len(then) and all(map(_still_says, now, then))
    return now == then


def test_a_field_of_a_later_version_is_no_error() -> None:
    """Old readers meet new events: what they do not know they leave alone."""
    event = {"kind": "unlink", "id": "evt_x", "handle": "messenger:bob.rossi", "added_later": [1, 2]}
    assert codec.decode_event(msgspec.msgpack.encode(event)).id == "evt_x"


@pytest.mark.parametrize("name", sorted(DECODERS))
@given(rubbish=st.binary(max_size=300))
def test_rubbish_is_not_understood(name: str, rubbish: bytes) -> None:
    """Any bytes: a value or `NotUnderstood`, nothing else."""
    with contextlib.suppress(NotUnderstood):
        DECODERS[name](rubbish)


def test_a_bottomless_nest_is_not_understood() -> None:
    """200,000 nested arrays exhaust the recursion limit of every parser."""
    with pytest.raises(NotUnderstood):
        codec.decode_event(b"\x91" * 200_000 + b"\xc0")


def test_every_refusal_is_explained() -> None:
    """Each code has its sentence; one of a later version is at least named."""
    for refusal in Refusal:
        assert not explain(refusal).startswith("Refused:"), refusal
    assert "from_the_future" in explain("from_the_future")
