"""group plan: what each rail's native group is to look like, before anything is done. Reads the bus, changes nothing.

The bridges' own planner (`bridges.kit.membersync`) and the router's own fold (`schemas.groups`) are asked, so what is
shown is what would be done.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Parameter

from bridges.kit import membersync
from bus import topology
from router.core.fanout import reachable
from router.explain import UnknownHandle, capabilities_of, group_of
from router.people import People
from schemas.capabilities import Capabilities
from schemas.events import GroupChanged, GroupEvent, Membership
from schemas.groups import Group, after, is_group
from schemas.handles import Handle, parse
from schemas.ids import ConversationId, EventId, PersonId, RailName
from schemas.people import Person
from trinario.bus_access import connected
from trinario.failures import Misused
from trinario.options import COMMON, Common
from trinario.output import printable, table

_EVENT = EventId("evt_planned")

Some = Annotated[list[str] | None, Parameter(negative=())]


async def plan(
    conversation: str,
    /,
    *,
    with_: Annotated[Some, Parameter(name="--with")] = None,
    without: Annotated[Some, Parameter(name="--without")] = None,
    name: str | None = None,
    common: Common = COMMON,
) -> None:
    """What each rail's group looks like, and what would change there. Nothing is done.

    Parameters
    ----------
    conversation
        The group's id.
    with_
        Somebody who would come in: a handle on any rail. May be given several times.
    without
        Somebody who would be taken out. May be given several times.
    name
        What it would be called.
    """
    if not is_group(conversation):
        raise Misused(f"{conversation!r} is no group's conversation: those begin with grp_.")
    come, go = [parse(one) for one in with_ or ()], [parse(one) for one in without or ()]
    async with connected(common.place()) as connection:
        fixed = await topology.fixed(connection)
        state = await group_of(connection, ConversationId(conversation), fixed.partitions if fixed is not None else 1)
        people = People(connection)
        await people.prefetch([*come, *go, *state.members])
        named = {handle: _person(people, handle) for handle in (*come, *go)}
        before = state.group or Group(name="", roles={})
        then = before
        for event, who in _events([named[one] for one in come], [named[one] for one in go], name):
            then = after(then, event, PersonId(""), who) or then
        everybody = [people.person(one) for one in dict.fromkeys((*before.members, *then.members))]
        persons = {one.id: one for one in (*everybody, *named.values()) if one is not None}
        capabilities = await capabilities_of(connection)
    found = [
        one for rail in sorted(capabilities) if (one := rail_plan(rail, capabilities[rail], before, then, persons))
    ]
    common.output().documents(found, lambda: _shown(found))


def rail_plan(
    rail: RailName, capabilities: Capabilities, before: Group, then: Group, persons: Mapping[PersonId, Person]
) -> dict[str, Any] | None:
    """One rail's group now and then; None when nobody of it is there. Pure.

    ``{"rail", "fits", "why", "name", "members": [{"as", "name", "role"}], "add", "remove", "roles", "rename"}``;
    members are named by their handle there, or as ``ghost of NAME``.
    """
    if not any(rail in reachable(persons[one]) for one in (*before.members, *then.members) if one in persons):
        return None
    nodes = {person: _node(persons.get(person), rail, person) for person in (*before.members, *then.members)}
    names = {node: persons[person].name for person, node in nodes.items() if person in persons}
    why = membersync.refusal(then, capabilities)
    now, wanted = membersync.wanted(before, nodes), membersync.wanted(then, nodes)
    changed = membersync.changes(now.members, now.name, wanted)
    return {
        "rail": rail,
        "fits": not why,
        "why": why,
        "name": wanted.name,
        "members": [{"as": node, "name": names.get(node, ""), "role": role} for node, role in wanted.members],
        "add": list(changed.add),
        "remove": list(changed.remove),
        "roles": {node: role for node, role in changed.roles if node not in changed.add},
        "rename": changed.rename,
    }


def _node(person: Person | None, rail: RailName, known_as: PersonId) -> str:
    if person is None:
        return f"ghost of {known_as}"
    account = person.account_on(rail) if rail in reachable(person) else None
    return account.handle if account is not None else f"ghost of {person.name} ({person.handles()[0]})"


def _person(people: People, handle: Handle) -> Person:
    person = people.whose(handle)
    if person is None:
        raise UnknownHandle(handle)
    return person


def _events(
    come: Sequence[Person], go: Sequence[Person], name: str | None
) -> Iterator[tuple[GroupEvent, tuple[PersonId, ...]]]:
    if come:
        yield Membership(id=_EVENT, change="add", who=()), tuple(one.id for one in come)
    if go:
        yield Membership(id=_EVENT, change="remove", who=()), tuple(one.id for one in go)
    if name is not None:
        yield GroupChanged(id=_EVENT, name=name), ()


def _shown(found: Sequence[Mapping[str, Any]]) -> Any:
    rows = (
        (one["rail"], printable(member["name"]), printable(member["as"]), member["role"], _change(one, member["as"]))
        for one in found
        for member in (*one["members"], *({"as": gone, "name": "", "role": ""} for gone in one["remove"]))
    )
    return table(("rail", "name", "as", "role", "change"), rows, empty="Nobody of the group is on a rail.")


def _change(one: Mapping[str, Any], node: str) -> str:
    if not one["fits"]:
        return f"no group: {one['why']}; a thread each"
    if node in one["add"]:
        return "comes"
    if node in one["remove"]:
        return "goes"
    return f"becomes {one['roles'][node]}" if node in one["roles"] else ""
