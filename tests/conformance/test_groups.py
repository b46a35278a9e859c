"""A group: on each rail as it is, and where there are none or only small ones; there each member has a thread."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from bridges.catalogue import discover
from bridges.kit import lost
from bridges.kit.contract import Translator
from rails.catalogue import BUNDLED
from schemas.capabilities import Level
from schemas.content import Text
from schemas.events import Edit, GroupChanged, GroupFounded, Membership, Message, Receipt, Unsend
from schemas.groups import group_id
from schemas.ids import ConversationId, EventId
from tests.conformance.stage import ALICE, PROBE, Phone, Stage
from tests.must import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAME = "Harbour"

HERE = {rail: translator for rail, translator in discover().items() if rail in BUNDLED}
"""A rail that runs elsewhere has one stage, that of the claims: it cannot be started anew for other documents."""


def poorer(translator: Translator, **can: Any) -> Translator:
    """The same bridge, with a document that claims less."""
    kind = type(translator)
    less = msgspec.structs.replace(translator.capabilities, **can)
    return type(kind.__name__, (kind,), {"capabilities": less})()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=HERE.values(), ids=HERE.keys())
async def native(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The rail as it is."""
    async with Stage(request.param, tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=[*((rail, {"groups": Level.DROPPED}) for rail in HERE), (next(iter(HERE)), {"group_most": 2})],
    ids=[*HERE, "small groups"],
)
async def apart(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A rail that cannot hold a group of three."""
    folder: Path = tmp_path_factory.mktemp("stage")
    rail, can = request.param
    async with Stage(poorer(HERE[rail], **can), folder) as made:
        yield made


async def founded(stage: Stage, name: str = "Carla") -> tuple[ConversationId, Phone]:
    """Alice's group, with Bob and somebody who joins the rail for it; and their phone."""
    carla = await stage.joined(name)
    number = stage.next_id("group")
    conversation = group_id(PROBE, number)
    persons = (stage.bob_person, stage.person(carla.handle))
    await stage.publish(
        GroupFounded(id=number, conversation=conversation, actor=ALICE, name=NAME, members=persons, native_id=number)
    )
    return conversation, carla


async def say(stage: Stage, conversation: ConversationId, text: str) -> EventId:
    """Alice says something in the group."""
    event = Message(
        id=stage.next_id("message"),
        conversation=conversation,
        actor=ALICE,
        to=(),
        content=Text(body=text),
        at_ms=2,
        native_id=text,
    )
    await stage.publish(event)
    return event.id


async def group_thread(phone: Phone) -> dict[str, Any]:
    """The native group, once the phone shows it."""

    async def there() -> dict[str, Any]:
        _, told = await phone.call("GET", "threads")
        found = [one for one in told["threads"] if one["kind"] == "group"]
        assert found
        return dict(found[-1])

    return await eventually(there)


async def all_of(phone: Phone) -> list[dict[str, Any]]:
    """Whatever a phone shows."""
    _, told = await phone.call("GET", "messages", params={"limit": "1000"})
    return list(told["messages"])


async def shows(phone: Phone, *texts: str) -> list[dict[str, Any]]:
    """The phone's messages, once they are these."""

    async def there() -> list[dict[str, Any]]:
        found = await all_of(phone)
        assert [one["text"] for one in found] == list(texts)
        return found

    return await eventually(there)


async def test_a_group_is_a_native_group(native: Stage) -> None:
    """With its name and its members; what is said there is there once, and what is answered comes back."""
    conversation, carla = await founded(native)
    result = await native.result(await say(native, conversation, "all of you"))
    assert (result.status, result.lost) == ("posted", ())
    thread = await group_thread(carla)
    _, group = await carla.call("GET", f"groups/{thread['thread']}")
    assert (group["name"], len(group["members"])) == (NAME, 3)
    assert [one["text"] for one in await all_of(carla)] == ["all of you"]
    await carla.call("POST", "messages", json={"to": thread["thread"], "text": "here"})
    heard = await native.heard(lambda event: isinstance(event, Message) and event.conversation == conversation)
    assert isinstance(heard, Message)
    assert (heard.actor, heard.to, heard.content) == (carla.handle, (), Text(body="here"))


async def test_a_group_that_the_rail_cannot_hold(apart: Stage) -> None:
    """Each member has a thread called like it; what one says there the others get, with edits, unsends and reads."""
    conversation, carla = await founded(apart)
    event = await say(apart, conversation, "all of you")
    result = await apart.result(event)
    assert (result.status, result.lost, len(result.native_ids)) == ("posted", (lost.GROUP_APART,), 2)
    heading = f"{NAME} · Alice\n"
    for phone in (apart.bob, carla):
        (message,) = await shows(phone, f"{heading}all of you")
    ghost = message["from"]

    status, _ = await carla.call("POST", "messages", json={"to": ghost, "text": "here"})
    assert status == 201
    heard = await apart.heard(lambda event: isinstance(event, Message) and event.conversation == conversation)
    assert isinstance(heard, Message)
    assert (heard.actor, heard.to, heard.content) == (carla.handle, (), Text(body="here"))
    await shows(apart.bob, f"{heading}all of you", f"{NAME} · Carla\nhere")
    (_, own) = await shows(carla, f"{heading}all of you", "here")
    await carla.call("PATCH", f"messages/{own['native_id']}", json={"text": "here I am"})
    await shows(apart.bob, f"{heading}all of you", f"{NAME} · Carla\nhere I am")

    await apart.do(Edit, event, conversation=conversation, content=Text(body="both of you"))
    await shows(carla, f"{heading}both of you", "here I am")
    await apart.bob.call("POST", "read", json={"with": ghost})
    read = await apart.heard(lambda event: isinstance(event, Receipt) and event.status == "read")
    assert isinstance(read, Receipt)
    assert (read.conversation, read.actor) == (conversation, apart.bob.handle)
    await apart.do(Unsend, event, conversation=conversation)

    async def gone() -> None:
        for phone in (apart.bob, carla):
            assert (await all_of(phone))[0]["unsent"] is True

    await eventually(gone)


async def test_a_group_with_another_name_and_fewer_members(apart: Stage) -> None:
    """Its threads are called so too; who has been taken out hears nothing more; an answer is one."""
    conversation, gone = await founded(apart, "Carla2")
    before = len(await all_of(apart.bob))
    event = await say(apart, conversation, "at one?")
    await apart.result(event)
    out = Membership(
        id=apart.next_id("membership"),
        conversation=conversation,
        actor=ALICE,
        change="remove",
        who=(apart.person(gone.handle),),
    )
    await apart.publish(out)
    await apart.publish(GroupChanged(id=apart.next_id("change"), conversation=conversation, actor=ALICE, name="Pier"))
    result = await apart.result(await say(apart, conversation, "at two"))
    assert (result.status, len(result.native_ids)) == ("posted", 1)
    told = (await all_of(apart.bob))[before:]
    now = "at two" if apart.can.groups.is_native else "Pier · Alice\nat two"  # two have room where groups are small
    assert [one["text"] for one in told] == [f"{NAME} · Alice\nat one?", now]
    assert [one["text"] for one in await all_of(gone)] == [f"{NAME} · Alice\nat one?"]

    await apart.bob.call(
        "POST", "messages", json={"to": told[0]["from"], "text": "yes", "reply_to": told[0]["native_id"]}
    )
    answer = await apart.heard(lambda event: isinstance(event, Message) and event.content == Text(body="yes"))
    assert isinstance(answer, Message)
    assert (answer.conversation, answer.reply_to) == (conversation, event)
