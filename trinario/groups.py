"""group create, list, show, invite, leave, remove, unban, role, rename, close: groups of people on all their rails.

Speaks to the Client API of the rail of ``--as``, as any app would. A group's conversation is named by the federation:
the same on every rail; the rail's own id for it is looked up here.
"""

from datetime import datetime
from typing import Annotated, Any
from uuid import uuid4

from cyclopts import Parameter

from schemas.groups import group_id, is_group
from schemas.handles import Handle, parse, rail_of
from trinario.client import RailClient, acting
from trinario.failures import Misused, NotFound
from trinario.options import COMMON, As, Common, Flag
from trinario.output import Output, clock, printable, table

Members = Annotated[list[str], Parameter(name="--with", negative=())]


async def create(*, as_: As, name: str, with_: Members, until: str | None = None, common: Common = COMMON) -> None:
    """Make a group; it is yours. Everybody is in it on all of their rails.

    Parameters
    ----------
    as_
        The account that makes it.
    name
        What it is called.
    with_
        A member: a handle on any rail. May be given several times.
    until
        When it ends by itself, in ISO form: 2030-05-01T18:00 (local time, unless it says otherwise).
    """
    me, members, until_ms = parse(as_), [parse(one) for one in with_], _end(until)
    async with acting(common.place(), me) as client:
        made = await client.make_group(name=name, members=members, until_ms=until_ms, client_key=uuid4().hex)
    _print(common.output(), me, made)


async def listed(*, as_: As, common: Common = COMMON) -> None:
    """The groups that an account is or was in.

    Parameters
    ----------
    as_
        The account whose groups they are.
    """
    me = parse(as_)
    async with acting(common.place(), me) as client:
        found = [thread for thread in await client.threads() if thread["kind"] == "group"]
    groups = [
        {"conversation": _conversation(me, one["thread"], one["key"]), "name": one["name"], "unread": one["unread"]}
        for one in found
    ]
    common.output().documents(
        groups, lambda: table(("conversation", "name", "unread"), (one.values() for one in groups), empty="No groups.")
    )


async def show(conversation: str, /, *, as_: As, common: Common = COMMON) -> None:
    """Who is in a group, and until when it is there.

    Parameters
    ----------
    conversation
        The group's id, as `group create` and `group list` show it.
    as_
        An account that is or was in it.
    """
    me = parse(as_)
    async with acting(common.place(), me) as client:
        found = await client.group(await native_of(client, me, conversation))
    _print(common.output(), me, found)


async def invite(conversation: str, /, *, as_: As, with_: Members, common: Common = COMMON) -> None:
    """Let people in. They see what is said from then on.

    Parameters
    ----------
    conversation
        The group's id.
    as_
        Any member.
    with_
        Whom: a handle on any rail. May be given several times.
    """
    me, whom = parse(as_), [parse(one) for one in with_]
    async with acting(common.place(), me) as client:
        found = await client.invite(await native_of(client, me, conversation), whom=whom)
    _print(common.output(), me, found)


async def leave(conversation: str, /, *, as_: As, common: Common = COMMON) -> None:
    """Be in it no longer. What was said till then stays readable.

    Parameters
    ----------
    conversation
        The group's id.
    as_
        The account that leaves.
    """
    me = parse(as_)
    async with acting(common.place(), me) as client:
        found = await client.take_out(await native_of(client, me, conversation), whom=me)
    _print(common.output(), me, found)


async def remove(conversation: str, whom: str, /, *, as_: As, ban: Flag = False, common: Common = COMMON) -> None:
    """Take somebody out.

    Parameters
    ----------
    conversation
        The group's id.
    whom
        A handle of theirs.
    as_
        The owner, or an admin.
    ban
        Nobody can invite them again, until `group unban`.
    """
    me, member = parse(as_), parse(whom)
    async with acting(common.place(), me) as client:
        found = await client.take_out(await native_of(client, me, conversation), whom=member, ban=ban)
    _print(common.output(), me, found)


async def unban(conversation: str, whom: str, /, *, as_: As, common: Common = COMMON) -> None:
    """Let somebody be invited again.

    Parameters
    ----------
    conversation
        The group's id.
    whom
        A handle of theirs.
    as_
        The owner, or an admin.
    """
    me, member = parse(as_), parse(whom)
    async with acting(common.place(), me) as client:
        found = await client.unban(await native_of(client, me, conversation), whom=member)
    _print(common.output(), me, found)


async def role(conversation: str, whom: str, role_: str, /, *, as_: As, common: Common = COMMON) -> None:
    """Make a member an admin, who may remove, rename and end; or a plain member again.

    Parameters
    ----------
    conversation
        The group's id.
    whom
        A handle of theirs.
    role_
        admin or member.
    as_
        The owner.
    """
    me, member = parse(as_), parse(whom)
    if role_ not in ("admin", "member"):
        raise Misused(f"{role_!r} is no role. The roles are admin and member.")
    async with acting(common.place(), me) as client:
        found = await client.set_role(await native_of(client, me, conversation), whom=member, role=role_)
    _print(common.output(), me, found)


async def rename(
    conversation: str, name: str | None = None, /, *, as_: As, until: str | None = None, common: Common = COMMON
) -> None:
    """Call a group otherwise, or let it end at another time.

    Parameters
    ----------
    conversation
        The group's id.
    name
        What it is called from now on.
    as_
        The owner, or an admin.
    until
        When it ends, in ISO form; "never" for a group that stays.
    """
    me = parse(as_)
    if name is None and until is None:
        raise Misused("Say what to change: a new name, or --until ISO-TIME.")
    until_ms = None if until is None else 0 if until == "never" else _end(until)
    async with acting(common.place(), me) as client:
        found = await client.change_group(await native_of(client, me, conversation), name=name, until_ms=until_ms)
    _print(common.output(), me, found)


async def close(conversation: str, /, *, as_: As, common: Common = COMMON) -> None:
    """End a group: it can be read, and nobody can write any more.

    Parameters
    ----------
    conversation
        The group's id.
    as_
        The owner, or an admin.
    """
    me = parse(as_)
    async with acting(common.place(), me) as client:
        found = await client.close_group(await native_of(client, me, conversation))
    _print(common.output(), me, found)


async def addressed(client: RailClient, me: Handle, text: str) -> str:
    """Whom ``--to`` and ``--with`` name: a handle, or the group of a conversation, by the rail's own id."""
    return await native_of(client, me, text) if is_group(text) else parse(text)


async def native_of(client: RailClient, me: Handle, conversation: str) -> str:
    """What a group is called on the account's rail. Raises `NotFound`."""
    for thread in await client.threads():
        if thread["kind"] == "group" and _conversation(me, thread["thread"], thread["key"]) == conversation:
            return str(thread["thread"])
    raise NotFound(
        f"{me} is in no group {conversation!r} (it may be on its way to this rail still). "
        f"`trinario group list --as {me}` shows the groups."
    )


def _conversation(me: Handle, native_id: str, key: str) -> str:
    """The group's conversation: what the federation has called it, or would, since it was made here."""
    return key or group_id(rail_of(me), native_id)


def _end(until: str | None) -> int:
    if until is None:
        return 0
    try:
        return int(datetime.fromisoformat(until).astimezone().timestamp() * 1000)
    except ValueError as error:
        raise Misused(f"--until {until!r} is no time in ISO form, such as 2030-05-01T18:00.") from error


def _print(output: Output, me: Handle, group: dict[str, Any]) -> None:
    until_ms = group["until_ms"]
    told = {
        "conversation": _conversation(me, group["thread"], group["key"]),
        "name": group["name"],
        "members": [member["handle"] for member in group["members"]],
        "until": datetime.fromtimestamp(until_ms / 1000).astimezone().isoformat() if until_ms else None,
        "roles": {member["handle"]: member["role"] for member in group["members"]},
        "closed": group["closed"],
        "native_id": group["group"],
    }
    output.document(told, lambda: _card(told, group))


def _card(told: dict[str, Any], group: dict[str, Any]) -> str:
    ends = f", until {clock(group['until_ms'])}" if group["until_ms"] else ""
    return "\n".join(
        [
            f"{printable(told['name'])}  ({told['conversation']}){', ended' if told['closed'] else ends}",
            *(f"  {printable(one['name'])}  {one['handle']}  {one['role']}" for one in group["members"]),
        ]
    )
