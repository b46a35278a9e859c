"""Ids are the same wherever they are made; handles that people spell differently are one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import handles
from schemas.errors import BadHandle
from schemas.ids import digest, direct_conversation_id, event_id, partition_of, person_id


def test_an_id_is_a_hash_of_what_it_names_and_never_changes() -> None:
    """Ids are stored on the log for good: these literals may not change."""
    assert person_id("whatsapp:+393331112222") == "per_cjmqflqgsvt7gkx2bh7wtwmkwi"
    assert event_id("whatsapp", "message", "1~2", "wamid.A") == "evt_mp6uewjvfwswdjm3abwrutpyqa"


@given(st.lists(st.text(), min_size=1, max_size=4), st.lists(st.text(), min_size=1, max_size=4))
def test_parts_do_not_run_into_each_other(one: list[str], other: list[str]) -> None:
    """("ab", "c") and ("a", "bc") name different things."""
    assert (digest(*one) == digest(*other)) == (one == other)


@given(st.text(), st.text())
def test_a_direct_conversation_is_the_same_from_both_sides(alice: str, bob: str) -> None:
    """Whoever writes first, the conversation has one id."""
    a, b = person_id(alice), person_id(bob)
    assert direct_conversation_id(a, b) == direct_conversation_id(b, a)


@pytest.mark.parametrize(("token", "hashed"), [("", 0x811C9DC5), ("a", 0xE40C292C), ("foobar", 0xBF9CF968)])
def test_partitions_are_fnv1a_32(token: str, hashed: int) -> None:
    """The published test vectors of FNV-1a 32, so that it agrees with the server's `partition()` mapping."""
    assert partition_of(token, 2**32) == hashed


@pytest.mark.parametrize(
    ("spelt", "handle"),
    [
        ("whatsapp:+39 333 111-2222", "whatsapp:+393331112222"),
        (" WhatsApp: +39 (333) 1112222", "whatsapp:+393331112222"),
        ("messenger:Bob.Rossi", "messenger:bob.rossi"),
        ("instagram:@Bob", "instagram:@bob"),
    ],
)
def test_spellings_of_one_handle_are_one(spelt: str, handle: str) -> None:
    """People type spaces, capitals and brackets."""
    assert handles.parse(spelt) == handle
    assert handles.make(handles.rail_of(handle), handles.address_of(handle)) == handle


@pytest.mark.parametrize("text", ["", "bob", ":bob", "whatsapp:", "what sapp:+39", "9rail:x"])
def test_what_is_no_handle_is_refused_with_an_example(text: str) -> None:
    """The error shows what a handle looks like."""
    with pytest.raises(BadHandle, match="rail:address, for example"):
        handles.parse(text)
