"""Subjects, keys and who may do what, as far as it needs no server."""

from pathlib import Path

import pytest

from bus import subjects
from bus.keys import BadKey, all_roles, ensure_keys, permissions
from bus.leases import assign
from bus.subjects import BadSubject


def test_subjects_are_read_as_they_are_built() -> None:
    """Every builder with its parser."""
    assert subjects.parse_ingress(subjects.ingress("whatsapp", 15)) == ("whatsapp", 15)
    assert subjects.parse_live(subjects.live(3, "whatsapp", "typing")) == (3, "whatsapp", "typing")
    assert subjects.ingress_stream("operator") == "IN_OPERATOR"
    assert subjects.schedule(1, "x") == "at.1.x"
    assert subjects.due(1) == "due.1"


@pytest.mark.parametrize("subject", ["", "in", "in.whatsapp", "in.whatsapp.x", "in.*.1", "in.a.1.2", "log.1", "in..1"])
def test_what_is_no_ingress_subject_is_refused(subject: str) -> None:
    """Too few tokens, too many, wrong ones."""
    with pytest.raises(BadSubject):
        subjects.parse_ingress(subject)


@pytest.mark.parametrize("rail", ["", "*", ">", "a.b", "WhatsApp", "a b", "-a", "a\n"])
def test_what_is_no_rail_gets_into_no_subject(rail: str) -> None:
    """No wildcard, dot or space can be smuggled in by a name."""
    with pytest.raises(BadSubject):
        subjects.ingress(rail, 0)
    with pytest.raises(BadSubject):
        subjects.dead("intake", rail)


def test_keys_are_made_once_private_and_checked(tmp_path: Path) -> None:
    """Made when missing, kept when there, refused when damaged."""
    folder = tmp_path / "keys"
    first = ensure_keys(folder, ["admin", "router"])
    assert ensure_keys(folder, ["router", "ledger"])["router"] == first["router"]
    assert first["router"].public.startswith("U")
    assert first["router"].seed.startswith("SU")
    assert len({pair.public for pair in first.values()}) == 2
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    first["admin"].path.write_text("nonsense")
    with pytest.raises(BadKey, match=r"admin\.nk is not an NKey seed"):
        ensure_keys(folder, ["admin"])


def test_only_the_admin_may_do_everything_and_no_bridge_may_make_consumers() -> None:
    """The lists themselves; the server's view is in the integration tests."""
    rails = ["whatsapp", "messenger"]
    for role in all_roles(rails):
        allowed = permissions(role, rails)
        assert (">" in allowed.publish) == (role == "admin")
        assert f"_INBOX_{role}.>" in allowed.subscribe
        if role.startswith("bridge-"):
            assert not [subject for subject in allowed.publish if "CREATE" in subject or "DELETE" in subject]


def test_partitions_are_shared_out_and_few_move() -> None:
    """A member that goes leaves the others' partitions where they are."""
    before, after = assign(["r1", "r2", "r3"], 64), assign(["r1", "r2"], 64)
    assert sorted(number for owned in before.values() for number in owned) == list(range(64))
    assert all(set(before[name]) <= set(after[name]) for name in after)
    assert min(len(owned) for owned in before.values()) >= 10
    assert assign([], 16) == {}
