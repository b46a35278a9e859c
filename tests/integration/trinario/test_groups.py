"""Groups over all rails, by the contract's commands: made on one, lived in on all."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.integration.trinario.conftest import Trinario
from tests.must import eventually

ALICE, ALSO_ALICE = "whatsapp:+393331112222", "messenger:alice.bianchi"
BOB, ALSO_BOB = "instagram:@bob", "messenger:bob.rossi"
CARLA = "instagram:@carla"
EVERYWHERE = (ALICE, ALSO_ALICE, BOB, ALSO_BOB, CARLA)


async def made(town: Trinario, by: str, name: str, *others: str, **more: str) -> str:
    """A group; its conversation, once it is on every rail of its members."""
    words = [word for other in others for word in ("--with", other)]
    words += [word for key, value in more.items() for word in (f"--{key}", value)]
    (group,) = await town.cli("group", "create", "--as", by, "--name", name, *words)
    return str(group["conversation"])


async def shown(town: Trinario, who: str, group: str) -> list[dict[str, Any]]:
    """What an account's app shows of the group."""
    return await town.cli("inbox", "--as", who, "--with", group)


async def sees(town: Trinario, who: str, group: str, *texts: str) -> list[dict[str, Any]]:
    """Wait until an account is shown exactly these; how it is shown them."""

    async def seen() -> list[dict[str, Any]]:
        if (await _is_in(town, who, group)) is False:
            raise AssertionError(f"{who} has no group {group} yet")
        found = await shown(town, who, group)
        assert [one["text"] for one in found] == list(texts)
        return found

    return await eventually(seen)


async def _is_in(town: Trinario, who: str, group: str) -> bool:
    return group in [one["conversation"] for one in await town.cli("group", "list", "--as", who)]


async def members(town: Trinario, who: str, group: str) -> set[str]:
    """Who is in it, by the handles they have on the account's rail."""
    (found,) = await town.cli("group", "show", group, "--as", who)
    return set(found["members"])


async def test_a_group_made_on_one_rail_is_on_all(town: Trinario) -> None:
    """Everybody's rails have it; each message is there once; who reads on one rail has read on the other."""
    group = await made(town, BOB, "Sunday", ALICE, CARLA)
    await town.cli("send", "--as", BOB, "--to", group, "who comes?")
    for who in EVERYWHERE:
        (message,) = await sees(town, who, group, "who comes?")
        assert message["direction"] == ("out" if who in (BOB, ALSO_BOB) else "in")
    (there,) = await town.cli("group", "show", group, "--as", ALSO_ALICE)
    assert (there["name"], there["until"], len(there["members"])) == ("Sunday", None, 3)
    assert {ALSO_ALICE, ALSO_BOB} < set(there["members"])

    await town.cli("send", "--as", ALSO_ALICE, "--to", group, "me!")
    for who in EVERYWHERE:
        await sees(town, who, group, "who comes?", "me!")
    assert await town.cli("read", "--as", ALICE, "--with", group) == [{"read": 1}]

    async def read_there() -> None:
        (first, _) = await shown(town, ALSO_ALICE, group)
        assert first["read"] is True

    await eventually(read_there)
    await town.cli("read", "--as", CARLA, "--with", group)

    async def everybody_has_read() -> None:
        for who in (BOB, ALSO_BOB):
            (first, _) = await shown(town, who, group)
            assert first["status"] == "read"

    await eventually(everybody_has_read)


async def test_second_thoughts_in_a_group(town: Trinario) -> None:
    """Edits, reactions, answers and unsends reach every rail of the group."""
    group = await made(town, ALICE, "Boat", BOB, CARLA)
    (sent,) = await town.cli("send", "--as", ALICE, "--to", group, "at one")
    (there,) = await sees(town, CARLA, group, "at one")
    await town.cli("send", "--as", CARLA, "--to", group, "--reply-to", there["native_id"], "too early")
    await town.cli("react", "--as", CARLA, there["native_id"], "\N{SNAIL}")
    await town.cli("edit", "--as", ALICE, sent["native_id"], "at two")
    for who in (ALSO_ALICE, BOB, ALSO_BOB):

        async def the_same(who: str = who) -> None:
            first, answer = await shown(town, who, group)
            assert (first["text"], first["edited"]) == ("at two", True)
            assert list(first["reactions"].values()) == ["\N{SNAIL}"]
            assert answer["reply_to"] == first["native_id"]

        await sees(town, who, group, "at two", "too early")
        await eventually(the_same)
    await town.cli("unsend", "--as", ALICE, sent["native_id"])

    async def gone() -> None:
        for who in EVERYWHERE:
            first, _ = await shown(town, who, group)
            assert first["unsent"] is True

    await eventually(gone)


async def test_coming_and_going(town: Trinario) -> None:
    """Who leaves or is taken out gets nothing after, on no rail, and is not put back."""
    group = await made(town, BOB, "Lunch", ALICE)
    await town.cli("send", "--as", BOB, "--to", group, "two of us")
    await sees(town, ALSO_ALICE, group, "two of us")
    assert (await town.refused("group", "show", group, "--as", CARLA)).code == 3
    await town.cli("group", "invite", group, "--as", ALSO_ALICE, "--with", CARLA)

    async def carla_is_in() -> None:
        assert await _is_in(town, CARLA, group)

    await eventually(carla_is_in)
    await town.cli("send", "--as", CARLA, "--to", group, "three of us")
    await sees(town, CARLA, group, "three of us")
    await sees(town, ALICE, group, "two of us", "three of us")

    await town.cli("group", "leave", group, "--as", ALICE)

    async def alice_is_gone() -> None:
        assert not {ALICE, ALSO_ALICE} & await members(town, ALSO_BOB, group)
        assert not {ALICE, ALSO_ALICE} & await members(town, CARLA, group)

    await eventually(alice_is_gone)
    await town.cli("send", "--as", BOB, "--to", group, "without Alice")
    await sees(town, CARLA, group, "three of us", "without Alice")
    await sees(town, ALSO_BOB, group, "two of us", "three of us", "without Alice")
    for who in (ALICE, ALSO_ALICE):
        await sees(town, who, group, "two of us", "three of us")
        assert (await town.refused("send", "--as", who, "--to", group, "am I there?")).code == 4

    assert (await town.refused("group", "remove", group, BOB, "--as", CARLA)).code == 4
    await town.cli("group", "remove", group, CARLA, "--as", ALSO_BOB, "--ban")

    async def banned() -> None:
        assert (await town.refused("group", "invite", group, "--as", BOB, "--with", CARLA)).code == 4

    await eventually(banned)
    await town.cli("group", "unban", group, CARLA, "--as", ALSO_BOB)


async def test_renamed_and_ended(town: Trinario) -> None:
    """A name and an end reach every rail; what has ended can be read and not written in."""
    group = await made(town, ALICE, "Trip", BOB, CARLA)

    async def called(name: str, *, closed: bool) -> None:
        for who in EVERYWHERE:
            (found,) = await town.cli("group", "show", group, "--as", who)
            assert (found["name"], found["closed"]) == (name, closed)

    await eventually(lambda: called("Trip", closed=False))
    await town.cli("group", "rename", group, "Long trip", "--as", ALICE)
    await eventually(lambda: called("Long trip", closed=False))
    await town.cli("group", "role", group, BOB, "admin", "--as", ALICE)

    async def an_admin() -> None:
        (found,) = await town.cli("group", "show", group, "--as", ALSO_BOB)
        assert found["roles"][ALSO_BOB] == "admin"

    await eventually(an_admin)
    await town.cli("group", "close", group, "--as", ALSO_BOB)
    await eventually(lambda: called("Long trip", closed=True))
    assert (await town.refused("send", "--as", CARLA, "--to", group, "too late")).code == 4


async def test_a_group_with_an_end(town: Trinario) -> None:
    """It ends by itself on every rail, and nowhere before."""
    until = datetime.now().astimezone() + timedelta(seconds=6)
    group = await made(town, CARLA, "Tonight", ALICE, BOB, until=until.isoformat())

    async def ended() -> None:
        for who in EVERYWHERE:
            (found,) = await town.cli("group", "show", group, "--as", who)
            assert found["closed"] is True

    await eventually(ended)
    assert datetime.now().astimezone() >= until


@pytest.mark.thread("mautrix/whatsapp#893", "mautrix/signal#216")
async def test_mautrix_whatsapp_893_mautrix_signal_216_one_message_however_many_observe_it(town: Trinario) -> None:
    """Alice and Bob both are in the Messenger group, and both accounts observe what is said there: it is one event."""
    group = await made(town, ALSO_ALICE, "Both", ALSO_BOB)
    (sent,) = await town.cli("send", "--as", ALSO_ALICE, "--to", group, "seen by both")
    for who in (ALICE, ALSO_ALICE, BOB, ALSO_BOB):
        await sees(town, who, group, "seen by both")
    (trace,) = await town.cli("trace", sent["native_id"])
    assert {leg["rail"]: leg["status"] for leg in trace["legs"]}.keys() == {"whatsapp", "messenger", "instagram"}


async def test_bad_words(town: Trinario) -> None:
    """No such group, no such member, no time: each said, nothing made."""
    assert (await town.refused("group", "show", "grp_nothing", "--as", ALICE)).code == 3
    assert (await town.refused("send", "--as", ALICE, "--to", "grp_nothing", "hello")).code == 3
    assert (
        await town.refused("group", "create", "--as", ALICE, "--name", "X", "--with", "instagram:@nobody")
    ).code == 3
    late = await town.refused("group", "create", "--as", ALICE, "--name", "X", "--with", BOB, "--until", "soon")
    assert (late.code, "ISO" in late.said) == (2, True)


@pytest.mark.parametrize(("owner", "others"), [(ALICE, (BOB, CARLA)), (ALSO_BOB, (ALICE, CARLA))])
async def test_written_in_at_once_from_everywhere(town: Trinario, owner: str, others: tuple[str, ...]) -> None:
    """Everybody writes at the same moment; all rails show all of it in one order."""
    group = await made(town, owner, f"Crowd of {owner}", *others)

    async def everywhere() -> None:
        for who in EVERYWHERE:
            assert await _is_in(town, who, group)

    await eventually(everywhere)
    said = [(who, f"{who} {number}") for who in EVERYWHERE for number in (1, 2)]
    await asyncio.gather(*(town.cli("send", "--as", who, "--to", group, text) for who, text in said))

    async def one_order() -> None:
        views = [[one["text"] for one in await shown(town, who, group)] for who in EVERYWHERE]
        assert sorted(views[0]) == sorted(text for _, text in said)
        assert all(view == views[0] for view in views)

    await eventually(one_order)


async def test_where_it_would_go(town: Trinario) -> None:
    """`route explain` for a group: the legs that then are, and who is reached; strangers are refused."""
    group = await made(town, CARLA, "Explained", ALICE)

    async def known() -> dict[str, Any]:
        (found,) = await town.cli("route", "explain", "--from", CARLA, "--to", group)
        assert found["outcome"] == "routed"
        return found

    found = await eventually(known)
    assert {leg["rail"] for leg in found["legs"]} == {"whatsapp", "messenger"}
    assert {one["handle"] for one in found["accounts"] if one["reached"]} == {CARLA, ALICE, ALSO_ALICE}
    (sent,) = await town.cli("send", "--as", CARLA, "--to", group, "as foretold")
    await sees(town, ALICE, group, "as foretold")
    (trace,) = await town.cli("trace", sent["native_id"])
    assert {leg["rail"] for leg in trace["legs"]} - {"instagram"} == {leg["rail"] for leg in found["legs"]}
    (stranger,) = await town.cli("route", "explain", "--from", BOB, "--to", group)
    assert (stranger["outcome"], stranger["legs"]) == ("refused", [])
    assert (await town.refused("route", "explain", "--from", BOB, "--to", "grp_nothing")).code == 3


async def test_what_each_rail_would_be_given(town: Trinario) -> None:
    """Kinds, sizes and lengths: the step of the ladder that the bridge would then take."""
    ask = ("route", "explain", "--from", CARLA, "--to", ALICE)
    (found,) = await town.cli(*ask, "--kind", "voice")
    given = {leg["rail"]: (leg["as"], leg["lost"]) for leg in found["legs"]}
    assert given["whatsapp"] == (["voice"], [])
    assert given["messenger"][0] == ["audio"]
    (found,) = await town.cli(*ask, "--kind", "video", "--size", "80000000")
    given = {leg["rail"]: (leg["as"], leg["lost"]) for leg in found["legs"]}
    assert given["messenger"][1] == ["video: too large, sent as a link"]
    assert len(given["whatsapp"][0]) == 1
    (found,) = await town.cli(*ask, "--length", "5000")
    assert {leg["rail"]: len(leg["as"]) for leg in found["legs"]} == {"whatsapp": 2, "messenger": 3}
    assert (await town.refused(*ask, "--kind", "poll", "--size", "3")).code == 2


async def test_what_each_rails_group_would_look_like(town: Trinario) -> None:
    """`group plan`: who is there as what, and what an invitation would change, before and as it is then done."""
    group = await made(town, BOB, "Planned", ALICE)
    await town.cli("send", "--as", BOB, "--to", group, "hello")
    await sees(town, ALSO_ALICE, group, "hello")
    planned = {one["rail"]: one for one in await town.cli("group", "plan", group, "--with", CARLA, "--name", "Wider")}
    assert planned.keys() == {"whatsapp", "messenger", "instagram"}
    assert planned["instagram"]["add"] == [CARLA]
    assert [one.startswith("ghost of ") for one in planned["messenger"]["add"]] == [True]
    assert {(one["fits"], one["rename"]) for one in planned.values()} == {(True, "Wider")}
    here = {one["as"] for one in planned["messenger"]["members"]} - set(planned["messenger"]["add"])
    assert here == {ALSO_ALICE, ALSO_BOB}
    assert len(await members(town, BOB, group)) == 2

    await town.cli("group", "invite", group, "--as", BOB, "--with", CARLA)
    await town.cli("group", "rename", group, "Wider", "--as", BOB)

    async def as_planned() -> None:
        for one in await town.cli("group", "plan", group):
            assert (len(one["members"]), one["add"], one["rename"]) == (3, [], "")

    await eventually(as_planned)
    assert (await town.refused("group", "plan", "grp_nothing")).code == 3
    assert (await town.refused("group", "plan", "con_nothing")).code == 2


@pytest.mark.thread("mautrix/whatsapp#149", "mautrix/signal#11", "mautrix/telegram#779", "mautrix/signal#620")
async def test_mautrix_whatsapp_149_mautrix_signal_620_who_leaves_has_left_on_every_rail(town: Trinario) -> None:
    """Out of the mirrors, and out of the group itself; what others say after does not put anybody back."""
    group = await made(town, BOB, "Left", ALICE, CARLA)
    await town.cli("send", "--as", BOB, "--to", group, "one")
    await sees(town, ALSO_ALICE, group, "one")
    await town.cli("group", "leave", group, "--as", ALSO_ALICE)

    async def out_everywhere() -> None:
        for who in (BOB, ALSO_BOB, CARLA):
            assert not {ALICE, ALSO_ALICE} & await members(town, who, group)
            assert len(await members(town, who, group)) == 2

    await eventually(out_everywhere)
    await town.cli("send", "--as", CARLA, "--to", group, "two")
    await sees(town, ALSO_BOB, group, "one", "two")
    await out_everywhere()


@pytest.mark.thread("mautrix/whatsapp#717", "matrix-puppet-imessage#15")
async def test_mautrix_whatsapp_717_matrix_puppet_imessage_15_history_stays_and_nobody_is_put_back(
    town: Trinario,
) -> None:
    """Who has left reads what was said till then on all their rails, and cannot write themselves in again."""
    group = await made(town, ALICE, "Kept", BOB, CARLA)
    await town.cli("send", "--as", ALICE, "--to", group, "stays")
    for who in (BOB, ALSO_BOB):
        await sees(town, who, group, "stays")
    await town.cli("group", "leave", group, "--as", BOB)

    async def out() -> None:
        assert not {BOB, ALSO_BOB} & await members(town, ALSO_ALICE, group)
        for who in (BOB, ALSO_BOB):
            assert (await town.refused("send", "--as", who, "--to", group, "back")).code == 4

    await eventually(out)
    await town.cli("send", "--as", CARLA, "--to", group, "after")
    await sees(town, ALSO_ALICE, group, "stays", "after")
    for who in (BOB, ALSO_BOB):
        await sees(town, who, group, "stays")
    await out()


async def test_what_the_router_refuses_is_undone_where_it_was_done(town: Trinario) -> None:
    """Carla is not to be reached: who puts her into a group on their rail sees her gone again; a new group ends."""
    group = await made(town, ALICE, "Undone", BOB)
    await town.cli("send", "--as", ALICE, "--to", group, "two of us")
    await sees(town, BOB, group, "two of us")
    await town.cli("person", "prefer", CARLA, "--never", "instagram")
    try:
        (invited,) = await town.cli("group", "invite", group, "--as", ALICE, "--with", CARLA)
        assert len(invited["members"]) == 3

        async def undone() -> None:
            assert len(await members(town, ALICE, group)) == 2

        await eventually(undone)
        refused = await made(town, ALICE, "Never was", BOB, CARLA)

        async def ended() -> None:
            (found,) = await town.cli("group", "show", refused, "--as", ALICE)
            assert found["closed"] is True

        await eventually(ended)
        assert not await _is_in(town, BOB, refused)
    finally:
        await town.cli("person", "prefer", CARLA, "--everywhere")


async def test_read_by_some_of_them(town: Trinario) -> None:
    """Each reader is told of by name, wherever they read; the message is read when everybody has."""
    group = await made(town, ALICE, "Readers", BOB, CARLA)
    await town.cli("send", "--as", ALICE, "--to", group, "who reads?")
    for who in (ALSO_BOB, CARLA):
        await sees(town, who, group, "who reads?")

    async def readers(count: int, status: str) -> None:
        for who in (ALICE, ALSO_ALICE):
            (message,) = await shown(town, who, group)
            assert (len(message["read_by"]), message["status"] == "read") == (count, status == "read"), message

    await town.cli("read", "--as", ALSO_BOB, "--with", group)
    await eventually(lambda: readers(1, "sent"))
    await town.cli("read", "--as", CARLA, "--with", group)
    await eventually(lambda: readers(2, "read"))
