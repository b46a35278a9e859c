"""The member-sync planner: what is planned, once done, is what the log says; done twice it changes nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.kit import membersync
from bridges.kit.membersync import Changes, Native
from bridges.whatsapp import WhatsApp
from schemas.capabilities import Capabilities, Level
from schemas.events import GroupFounded, Membership
from schemas.groups import Group, after, group_id
from schemas.ids import EventId, PersonId, RailName
from schemas.people import Account, Person
from trinario.planning import rail_plan

people = st.sampled_from([PersonId(f"per_{letter}") for letter in "abcdefgh"])
steps = st.lists(
    st.tuples(st.sampled_from(["add", "leave", "remove", "ban", "unban", "admin", "member"]), people), max_size=30
)
nodes = st.dictionaries(people, st.sampled_from([f"n{number}" for number in range(12)]))
GROUP = group_id("instagram", "17~group")
SMALL = Capabilities(
    rail=RailName("messenger"), version=1, text_max=100, text_unit="characters", groups=Level.FULL, group_most=2
)


def lived_through(steps: list[tuple[str, PersonId]]) -> Group:
    """A group after all that."""
    group = after(None, GroupFounded(id=EventId("evt_f"), name="Sea", members=()), PersonId("per_a"), ())
    assert group is not None
    for change, person in steps:
        event = Membership(id=EventId("evt_m"), conversation=GROUP, change=change, who=())  # type: ignore[arg-type] # any of them
        group = after(group, event, PersonId("per_a"), (person,)) or group
    return group


def applied(now: Native, name: str, changed: Changes) -> tuple[dict[str, str], str]:
    """What a rail has after it has done as planned."""
    members = {node: role for node, role in now if node not in changed.remove}
    members |= dict.fromkeys(changed.add, "member")
    members |= dict(changed.roles)
    return members, changed.rename or name


@given(before=steps, later=steps, nodes=nodes)
def test_what_is_planned_once_done_is_what_the_log_says(
    before: list[tuple[str, PersonId]], later: list[tuple[str, PersonId]], nodes: dict[PersonId, str]
) -> None:
    """From any group to any other; and a second time there is nothing to do."""
    now, then = (membersync.wanted(lived_through(some), nodes) for some in (before, before + later))
    members, name = applied(now.members, now.name, membersync.changes(now.members, now.name, then))
    assert members == dict(then.members)
    assert name == then.name
    assert not membersync.changes(tuple(members.items()), name, then)  # type: ignore[arg-type] # roles


@given(steps=steps, nodes=nodes)
def test_nobody_twice_and_nobody_who_is_not_in_it(
    steps: list[tuple[str, PersonId]], nodes: dict[PersonId, str]
) -> None:
    """Each member has one node; who is banned has none; who has no node yet is named."""
    group = lived_through(steps)
    wanted = membersync.wanted(group, nodes)
    shown = [node for node, _ in wanted.members]
    assert len(shown) == len(set(shown))
    assert set(shown) == {nodes[person] for person in group.members if person in nodes}
    assert not set(wanted.banned) & set(shown)
    assert set(membersync.missing(group, nodes)) == set(group.members) - nodes.keys()


def test_a_rail_without_groups_or_with_smaller_ones_is_left_out_whole() -> None:
    """And the reason has the numbers."""
    group = lived_through([("add", PersonId("per_b")), ("add", PersonId("per_c"))])
    assert membersync.refusal(group, WhatsApp().capabilities) == ""
    assert "at most 2 members, this one has 3" in membersync.refusal(group, SMALL)
    assert "no groups" in membersync.refusal(group, Capabilities(**{**_members(SMALL), "groups": Level.REFUSED}))


def _members(one: Capabilities) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__struct_fields__}


@pytest.mark.thread("heisenbridge#112")
def test_heisenbridge_112_a_thousand_members_are_one_plan() -> None:
    """A rail that takes so many gets them in one call, and who comes later is the only change."""
    crowd = [("add", PersonId(f"per_{number}")) for number in range(1000)]
    nodes = {PersonId(f"per_{number}"): f"n{number}" for number in range(1001)} | {PersonId("per_a"): "a"}
    now = membersync.wanted(lived_through(crowd), nodes)
    then = membersync.wanted(lived_through([*crowd, ("add", PersonId("per_1000"))]), nodes)
    assert len(now.members) == 1001
    assert membersync.changes(now.members, now.name, then) == Changes(add=("n1000",))


def test_the_plan_of_a_rail_says_who_is_there_as_what() -> None:
    """By their own account where they have one, else as a ghost; nobody there: no plan."""
    alice, bob = (
        Person(id=PersonId(f"per_{one}"), name=name, accounts=(Account(handle=handle, name=name, state="verified"),))  # type: ignore[arg-type] # handles
        for one, name, handle in (("a", "Alice", "messenger:alice.bianchi"), ("b", "Bob", "instagram:@bob"))
    )
    persons = {one.id: one for one in (alice, bob)}
    before, then = lived_through([]), lived_through([("add", bob.id)])
    planned = rail_plan(RailName("messenger"), SMALL, before, then, persons)
    assert planned is not None
    assert [one["as"] for one in planned["members"]] == ["messenger:alice.bianchi", "ghost of Bob (instagram:@bob)"]
    assert (planned["fits"], planned["add"], planned["remove"]) == (True, ["ghost of Bob (instagram:@bob)"], [])
    assert rail_plan(RailName("whatsapp"), SMALL, before, then, persons) is None
