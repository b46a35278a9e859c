"""Native groups: who is in one sees what is said while they are; what the partner hears, and what it may do."""

import asyncio
from typing import Any

import pytest

from tests.integration.rails.conftest import ADDRESSES, House, Person


async def made(by: Person, name: str, *others: Person, **more: Any) -> dict[str, Any]:
    """A group, as its maker is shown it."""
    body = {"name": name, "with": [other.handle for other in others], **more}
    status, group = await by.call("POST", "groups", json=body)
    assert status == 201, group
    return group


async def three(house: House) -> tuple[Person, Person, Person]:
    """Alice, Bob and Carla."""
    return await house.person("alice"), await house.person("bob"), await house.person("carla")


def texts(found: list[dict[str, Any]]) -> list[str]:
    """What the messages say, in order."""
    return [message["text"] for message in found]


async def members(who: Person, group: str) -> dict[str, str]:
    """Who is in a group, and as what."""
    status, shown = await who.call("GET", f"groups/{group}")
    assert status == 200, shown
    return {member["handle"]: member["role"] for member in shown["members"]}


async def test_a_group_lives(house: House) -> None:
    """Made, written in by all, read by each; unread counts, who has read, and the sockets' events."""
    alice, bob, carla = await three(house)
    await bob.listen()
    group = await made(alice, "Sunday", bob, carla, client_key="once")
    assert (await made(alice, "Sunday", bob, carla, client_key="once", until_ms=0)) == group
    assert group["mine"] == "owner"
    assert (await bob.hear("group"))["group"]["mine"] == "member"

    first = await alice.send(group["group"], "who comes?")
    heard = (await bob.hear("message"))["message"]
    assert (heard["text"], heard["to"], heard["thread"], heard["direction"]) == (
        "who comes?",
        group["group"],
        group["group"],
        "in",
    )
    await bob.send(group["group"], "me", reply_to=first["native_id"])
    for who in (alice, bob, carla):
        assert texts(await who.inbox(thread=group["group"])) == ["who comes?", "me"]
    assert texts(await carla.inbox(unread=1)) == ["who comes?", "me"]
    assert texts(await bob.inbox(unread=1)) == ["who comes?"]
    status, told = await carla.call("POST", "read", json={"thread": group["group"]})
    assert (status, told) == (200, {"read": 2})
    assert (await bob.hear("receipt"))["by"] == carla.handle
    (seen, _) = await alice.inbox(thread=group["group"])
    assert (seen["read_by"], seen["status"]) == ([carla.handle], "sent")
    await bob.call("POST", "read", json={"thread": group["group"], "up_to": first["native_id"]})
    (seen, answer) = await alice.inbox(thread=group["group"])
    assert (sorted(seen["read_by"]), seen["status"], seen["read"]) == (sorted((bob.handle, carla.handle)), "read", True)
    assert answer["read_by"] == [carla.handle]
    status, told = await alice.call("GET", "threads")
    assert [(one["kind"], one["name"], one["unread"]) for one in told["threads"]] == [("group", "Sunday", 1)]


async def test_second_thoughts_and_reactions(house: House) -> None:
    """Edits, unsends and reactions reach everybody, and only authors may."""
    alice, bob, carla = await three(house)
    group = await made(alice, "Sunday", bob, carla)
    sent = await alice.send(group["group"], "at one")
    assert (await bob.call("PATCH", f"messages/{sent['native_id']}", json={"text": "never"}))[0] == 403
    assert (await alice.call("PATCH", f"messages/{sent['native_id']}", json={"text": "at two"}))[0] == 200
    for who in (bob, carla):
        assert (await who.call("PUT", f"messages/{sent['native_id']}/reaction", json={"emoji": "\u2764"}))[0] == 200
    (shown,) = await carla.inbox(thread=group["group"])
    assert (shown["text"], shown["edited"]) == ("at two", True)
    assert shown["reactions"] == {bob.handle: "\u2764", carla.handle: "\u2764"}
    assert (await alice.call("DELETE", f"messages/{sent['native_id']}"))[0] == 200
    (shown,) = await bob.inbox(thread=group["group"])
    assert (shown["unsent"], shown["text"]) == (True, "")
    assert await bob.inbox(unread=1) == []


async def test_who_leaves_keeps_what_was_said_and_gets_nothing_after(house: House) -> None:
    """whatsapp_717: on leaving, the history stays readable; who comes later sees what comes after."""
    alice, bob, carla = await three(house)
    group = await made(alice, "Sunday", bob)
    await alice.send(group["group"], "before")
    assert (await alice.call("POST", f"groups/{group['group']}/members", json={"add": [carla.handle]}))[0] == 200
    await alice.send(group["group"], "with Carla")
    status, left = await bob.call("DELETE", f"groups/{group['group']}/members/{bob.handle}")
    assert (status, left["mine"]) == (200, None)
    await carla.send(group["group"], "after")
    assert texts(await bob.inbox(thread=group["group"])) == ["before", "with Carla"]
    assert texts(await carla.inbox(thread=group["group"])) == ["with Carla", "after"]
    assert texts(await alice.inbox(thread=group["group"])) == ["before", "with Carla", "after"]
    status, no = await bob.call("POST", "messages", json={"to": group["group"], "text": "am I here?"})
    assert (status, no["error"]["code"]) == (403, "recipient_unavailable")


async def test_roles(house: House) -> None:
    """Members cannot take out or rename; admins can; the owner makes admins; a ban holds until it is lifted."""
    alice, bob, carla = await three(house)
    group = await made(alice, "Sunday", bob, carla)
    at = f"groups/{group['group']}"
    assert (await bob.call("DELETE", f"{at}/members/{carla.handle}"))[1]["error"]["code"] == "not_allowed"
    assert (await bob.call("PATCH", at, json={"name": "Bob's"}))[0] == 403
    assert (await bob.call("PUT", f"{at}/members/{bob.handle}", json={"role": "admin"}))[0] == 403
    assert (await alice.call("PUT", f"{at}/members/{bob.handle}", json={"role": "admin"}))[0] == 200
    assert (await bob.call("PATCH", at, json={"name": "Bob's", "until_ms": 4_000_000_000_000}))[1]["name"] == "Bob's"
    assert (await bob.call("DELETE", f"{at}/members/{alice.handle}"))[0] == 403
    assert (await bob.call("DELETE", f"{at}/members/{carla.handle}?ban=1"))[0] == 200
    assert (await bob.call("POST", f"{at}/members", json={"add": [carla.handle]}))[1]["error"]["code"] == "not_allowed"
    assert (await bob.call("DELETE", f"{at}/bans/{carla.handle}"))[0] == 200
    assert (await bob.call("POST", f"{at}/members", json={"add": [carla.handle]}))[0] == 200
    assert (await alice.call("DELETE", f"{at}/members/{alice.handle}"))[0] == 200
    assert await members(bob, group["group"]) == {bob.handle: "owner", carla.handle: "member"}
    assert (await bob.call("DELETE", at))[1]["closed"] is True
    status, no = await bob.call("POST", "messages", json={"to": group["group"], "text": "too late"})
    assert (status, "has ended" in no["error"]["message"]) == (403, True)


async def test_strangers_see_nothing(house: House) -> None:
    """Whoever was never in it finds no group, no message, no file; and cannot react."""
    alice, bob, carla = await three(house)
    group = await made(alice, "Sunday", bob)
    sent = await alice.send(group["group"], "a secret")
    for method, path in (
        ("GET", f"groups/{group['group']}"),
        ("DELETE", f"groups/{group['group']}"),
        ("PUT", f"messages/{sent['native_id']}/reaction"),
        ("DELETE", f"messages/{sent['native_id']}"),
    ):
        status, _ = await carla.call(method, path, json={"emoji": "\u2764"} if method == "PUT" else None)
        assert status == 404, (method, path)
    assert (await carla.call("POST", "messages", json={"to": group["group"], "text": "hello"}))[0] in {400, 404}
    assert await carla.inbox(thread=group["group"]) == []
    assert await carla.inbox() == []


async def test_too_many_and_no_people(house: House) -> None:
    """Limits and businesses are named; nothing is made."""
    alice = await house.person("alice")
    node, _ = await house.business()
    status, no = await alice.call("POST", "groups", json={"name": "Shop", "with": [node["handle"]]})
    assert (status, "for people" in no["error"]["message"]) == (400, True)
    assert (await alice.call("POST", "groups", json={"name": " ", "with": []}))[0] == 400
    assert (await alice.call("POST", "groups", json={"name": "A", "with": [], "until_ms": -1}))[0] == 400
    assert (await alice.call("GET", "threads"))[1] == {"threads": []}


async def test_the_partner_hears_each_message_once(house: House) -> None:
    """One webhook a message however many members are federated; changes and reads are told; `PUT` is idempotent."""
    partner = await house.partner()
    alice, bob, carla = await three(house)
    group = await made(alice, "Sunday", bob, carla)
    value = await partner.event(lambda one: one.get("change") == "made")
    assert (value["by"], sorted(value["who"]), value["key"]) == (alice.id, sorted((bob.id, carla.id)), "")
    status, told = await house.graph("PUT", "federation/groups/grp_1", json={"bind": group["group"]})
    assert (status, told["key"], len(told["members"])) == (200, "grp_1", 3)

    await bob.send(group["group"], "to all")
    event = await partner.event(lambda one: house.received(one, "to all"))
    to = event["metadata"]["phone_number_id"] if house.name == "whatsapp" else event["recipient"]["id"]
    assert to == group["group"]
    if house.name == "whatsapp":
        assert event["messages"][0]["group_id"] == group["group"]
    await carla.call("POST", "read", json={"thread": group["group"]})
    await partner.event(lambda one: _reads(house, one, carla, group["group"]))
    await bob.call("DELETE", f"groups/{group['group']}/members/{bob.handle}")
    left = await partner.event(lambda one: one.get("change") == "leave")
    assert (left["who"], left["key"]) == ([bob.id], "grp_1")
    assert left["number"] > value["number"]
    assert sum(house.received(one, "to all") for one in partner.events) == 1


def _reads(house: House, event: dict[str, Any], who: Person, group: str) -> bool:
    if house.name == "whatsapp":
        (status,) = event.get("statuses", [{}])
        return status.get("recipient_participant_id") == who.id and status["recipient_id"] == group
    return "read" in event and event["sender"]["id"] == who.id and event["recipient"]["id"] == group


async def test_the_partner_makes_and_changes_a_group(house: House) -> None:
    """Exactly what it says, however often; it posts as any member, and nothing of it comes back but the echo."""
    partner = await house.partner()
    alice, bob, _ = await three(house)
    status, ghost = await house.graph(
        "POST", "federation/ghosts", json={"key": "per_x", "name": "Xenia", "handle": "elsewhere:xenia"}
    )
    assert status == 200
    body = {
        "name": "From elsewhere",
        "members": [{"id": ghost["id"], "role": "owner"}, {"id": alice.id}, {"id": bob.id}],
    }
    for _ in range(2):
        status, told = await house.graph("PUT", "federation/groups/grp_2", json=body)
        assert status == 200, told
    group = told["id"]
    assert (await house.graph("GET", f"federation/groups/{group}"))[1] == told
    post = house.text_body(group, "hello from elsewhere", opaque="evt_1")
    if house.name == "whatsapp":
        post["recipient_type"] = "group"
    status, answer = await house.graph("POST", f"{ghost['id']}/messages", json=post)
    assert status == 200, answer
    for who in (alice, bob):
        assert texts(await who.inbox(thread=group)) == ["hello from elsewhere"]
    status, _ = await house.graph("POST", f"federation/{bob.id}/read", json={"peer": group})
    assert status == 200
    assert await bob.inbox(unread=1) == []
    status, told = await house.graph(
        "PUT", "federation/groups/grp_2", json={**body, "members": body["members"][:2], "closed": True}
    )
    assert (status, told["closed"], len(told["members"])) == (200, True, 2)
    assert (await bob.call("GET", f"groups/{group}"))[1]["mine"] is None
    assert not [one for one in partner.events if one.get("change")]


@pytest.mark.parametrize("count", [20])
async def test_many_write_at_once(house: House, count: int) -> None:
    """Everybody ends with the same order."""
    alice, bob, carla = await three(house)
    group = await made(alice, "Sunday", bob, carla)
    await asyncio.gather(
        *(who.send(group["group"], f"{who.handle} {n}") for n in range(count) for who in (alice, bob, carla))
    )
    seen = [texts(await who.inbox(thread=group["group"])) for who in (alice, bob, carla)]
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0]) == 3 * count
    assert set(ADDRESSES[house.name]) == {"alice", "bob", "carla"}
