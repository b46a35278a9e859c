"""Groups: whatever happens in whatever order, there is an owner while there is a member, and nobody is in twice."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import GroupChanged, GroupFounded, Membership
from schemas.groups import Group, after, group_id, is_group
from schemas.ids import EventId, PersonId

people = st.sampled_from([PersonId(f"per_{letter}") for letter in "abcdef"])
changes = st.sampled_from(["add", "leave", "remove", "ban", "unban", "admin", "member"])
steps = st.lists(st.tuples(changes, st.lists(people, min_size=1, max_size=3), people), max_size=40)

GROUP = group_id("instagram", "17~group")


def founded() -> Group:
    """Alice's, with bob."""
    event = GroupFounded(id=EventId("evt_f"), conversation=GROUP, name="Harbour", members=())
    made = after(None, event, PersonId("per_a"), (PersonId("per_a"), PersonId("per_b")))
    assert made is not None
    return made


def membership(change: str, seen: int = 0) -> Membership:
    """An event; who it is about is given to `after` as persons."""
    return Membership(id=EventId("evt_m"), conversation=GROUP, change=change, who=(), seen=seen)  # type: ignore[arg-type] # any of them


@given(steps=steps)
def test_there_is_an_owner_while_there_is_a_member(steps: list[tuple[str, list[PersonId], PersonId]]) -> None:
    """And the last one out closes it."""
    group = founded()
    for change, subjects, actor in steps:
        stepped = after(group, membership(change), actor, tuple(subjects))
        assert stepped is not None
        assert stepped.version == group.version + 1
        assert not set(stepped.members) & set(stepped.left)
        assert ("owner" in stepped.roles.values()) == bool(stepped.members)
        assert stepped.members or stepped.closed
        group = stepped


@given(steps=steps)
def test_who_has_gone_is_known_with_the_version_that_took_them_out(
    steps: list[tuple[str, list[PersonId], PersonId]],
) -> None:
    """So that a late add can be told from a new one."""
    group = founded()
    for change, subjects, actor in steps:
        before = group
        stepped = after(group, membership(change), actor, tuple(subjects))
        assert stepped is not None
        for person in set(before.members) - set(stepped.members):
            assert stepped.left[person] == stepped.version
        group = stepped


def test_a_group_is_founded_once() -> None:
    """The same group reported by another rail is the group that is there."""
    group = founded()
    again = GroupFounded(id=EventId("evt_g"), conversation=GROUP, name="Else", members=())
    assert after(group, again, PersonId("per_c"), ()) is group


def test_closing_is_for_good() -> None:
    """A later change of name does not open it again."""
    group = after(founded(), GroupChanged(id=EventId("evt_c"), closed=True), PersonId("per_a"), ())
    assert group is not None
    renamed = after(group, GroupChanged(id=EventId("evt_d"), name="Sea"), PersonId("per_a"), ())
    assert renamed is not None
    assert renamed.closed
    assert renamed.name == "Sea"


def test_a_group_is_told_by_its_id() -> None:
    """And a direct conversation is none."""
    assert is_group(GROUP)
    assert not is_group("con_a")
