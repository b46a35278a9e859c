"""Two people on one rail, on each rail: the Client API's story."""

from typing import Any

import pytest


async def test_two_people_write_and_read(house: Any) -> None:
    """Bob hears Alice's message as it comes, reads it, and Alice sees how far it came."""
    alice, bob = await house.person("alice"), await house.person("bob")
    await alice.listen()
    await bob.listen()
    sent = await alice.send(bob.handle, "Ciao Bob \N{GRINNING FACE}")
    heard = (await bob.hear("message"))["message"]
    assert (heard["text"], heard["from"], heard["direction"]) == ("Ciao Bob \N{GRINNING FACE}", alice.handle, "in")
    assert heard["native_id"] == sent["native_id"]
    if house.name != "instagram":
        delivered = await alice.hear("receipt")
        assert (delivered["status"], delivered["by"], delivered["up_to"]) == (
            "delivered",
            bob.handle,
            sent["native_id"],
        )
    status, answer = await bob.call("POST", "read", json={"with": alice.handle})
    assert (status, answer) == (200, {"read": 1})
    read = await alice.hear("receipt")
    assert (read["status"], read["up_to"]) == ("read", sent["native_id"])
    assert (await bob.hear("read"))["up_to"] == sent["native_id"]
    (mine,) = await alice.inbox(thread=sent["thread"])
    assert (mine["direction"], mine["status"], mine["read"]) == ("out", "read", True)
    assert (await bob.call("POST", "read", json={"with": alice.handle}))[1] == {"read": 0}


async def test_delivered_when_fetched(house: Any) -> None:
    """A message is on its way until the recipient's app fetches; Instagram shows no such thing."""
    alice, bob = await house.person("alice"), await house.person("bob")
    await alice.send(bob.handle, "one")
    assert (await alice.inbox())[0]["status"] == "sent"
    assert [message["text"] for message in await bob.inbox(unread=1)] == ["one"]
    expected = "sent" if house.name == "instagram" else "delivered"
    assert (await alice.inbox())[0]["status"] == expected


async def test_delivered_when_the_app_comes_online(house: Any) -> None:
    """An open socket is an app that is there."""
    alice, bob = await house.person("alice"), await house.person("bob")
    await alice.send(bob.handle, "one")
    await bob.listen()
    expected = "sent" if house.name == "instagram" else "delivered"
    assert (await alice.inbox())[0]["status"] == expected


async def test_read_up_to_one_message(house: Any) -> None:
    """What is below stays unread."""
    alice, bob = await house.person("alice"), await house.person("bob")
    ids = [(await alice.send(bob.handle, str(n)))["native_id"] for n in range(3)]
    assert (await bob.call("POST", "read", json={"with": alice.handle, "up_to": ids[1]}))[1] == {"read": 2}
    assert [message["read"] for message in await alice.inbox()] == [True, True, False]
    assert [message["text"] for message in await bob.inbox(unread=1)] == ["2"]
    status, answer = await bob.call("GET", "threads")
    assert (status, answer["threads"][0]["unread"], answer["threads"][0]["with"]) == (200, 1, [alice.handle])


async def test_the_same_client_key_makes_one_message(house: Any) -> None:
    """A retry is no second message."""
    alice, bob = await house.person("alice"), await house.person("bob")
    first = await alice.send(bob.handle, "once", client_key="k1")
    status, again = await alice.call("POST", "messages", json={"to": bob.handle, "text": "once", "client_key": "k1"})
    assert (status, again) == (200, first)
    assert len(await bob.inbox()) == 1


async def test_addresses_in_all_their_spellings(house: Any) -> None:
    """An address, a handle and a thread id name the same person."""
    alice, bob = await house.person("alice"), await house.person("bob")
    thread = (await alice.send(bob.account["address"], "1"))["thread"]
    assert (await alice.send(bob.handle.upper(), "2"))["thread"] == thread
    assert (await bob.send(thread, "3"))["thread"] == thread
    assert [message["text"] for message in await alice.inbox(thread=thread)] == ["1", "2", "3"]


async def test_replies_stay_in_their_thread(house: Any) -> None:
    """A reply names a message of its own thread."""
    alice, bob, carla = [await house.person(who) for who in ("alice", "bob", "carla")]
    first = await alice.send(bob.handle, "1")
    await bob.send(alice.handle, "2", reply_to=first["native_id"])
    assert (await alice.inbox())[1]["reply_to"] == first["native_id"]
    body = {"to": alice.handle, "text": "3", "reply_to": first["native_id"]}
    assert (await carla.call("POST", "messages", json=body))[0] == 400


async def test_the_blocked_cannot_write(house: Any) -> None:
    """Nor are they told that they are blocked."""
    alice, bob = await house.person("alice"), await house.person("bob")
    assert (await bob.call("POST", "blocks", json={"address": alice.handle}))[0] == 204
    status, answer = await alice.call("POST", "messages", json={"to": bob.handle, "text": "hello"})
    assert (status, answer["error"]["code"]) == (403, "recipient_unavailable")
    assert (await bob.call("DELETE", "blocks", json={"address": alice.handle}))[0] == 204
    await alice.send(bob.handle, "hello")


async def test_nobody_sees_other_peoples_threads(house: Any) -> None:
    """A thread id is no key."""
    alice, bob, carla = [await house.person(who) for who in ("alice", "bob", "carla")]
    thread = (await alice.send(bob.handle, "secret"))["thread"]
    assert await carla.inbox() == []
    assert await carla.inbox(thread=thread) == []
    assert (await carla.call("POST", "messages", json={"to": thread, "text": "me too"}))[0] >= 400
    assert (await carla.call("POST", "read", json={"thread": thread}))[0] >= 400


@pytest.mark.parametrize(
    ("rail", "text", "size"),
    [
        ("whatsapp", "x" * 4097, "4097"),
        ("messenger", "x" * 2001, "2001"),
        ("instagram", "\N{LATIN SMALL LETTER E WITH GRAVE}" * 501, "1002"),
    ],
)
async def test_long_texts(open_house: Any, rail: str, text: str, size: str) -> None:
    """The Platform API's limit is each platform's own, and the error says it and the size; people have more room."""
    house = await open_house(rail)
    alice, bob = await house.person("alice"), await house.person("bob")
    status, answer = await house.graph("POST", f"{alice.id}/messages", json=house.text_body(bob.id, text))
    assert (status, answer["error"]["code"]) == (400, 100)
    assert size in str(answer["error"])
    status, answer = await house.graph("POST", f"{alice.id}/messages", json=house.text_body(bob.id, text[:-1]))
    assert status == 200, answer
    await alice.send(bob.handle, text)


@pytest.mark.parametrize(("rail", "most"), [("whatsapp", 65_536), ("messenger", 20_000), ("instagram", 20_000)])
async def test_the_apps_limit(open_house: Any, rail: str, most: int) -> None:
    """What people may write in one message, also by an edit of the partner's."""
    house = await open_house(rail)
    alice, bob = await house.person("alice"), await house.person("bob")
    text = "\N{GRINNING FACE}" * most
    status, answer = await alice.call("POST", "messages", json={"to": bob.handle, "text": text + "x"})
    assert (status, answer["error"]["code"]) == (400, "too_long")
    assert f"{most + 1} characters" in answer["error"]["message"]
    native_id = (await alice.send(bob.handle, text))["native_id"]
    assert [message["text"] for message in await bob.inbox()] == [text]
    for said, expected in ((text[::-1] + "x", 400), ("x" + text[1:], 200)):
        body = {"native_id": native_id, "text": said}
        status, answer = await house.graph("POST", f"federation/{alice.id}/edit", json=body)
        assert status == expected, answer


async def test_sessions_and_registration(house: Any) -> None:
    """An address belongs to one; sessions end one by one."""
    alice = await house.person("alice")
    status, answer = await alice.call("POST", "accounts", json={"address": alice.handle, "name": "Again"})
    assert (status, answer["error"]["code"]) == (409, "address_taken")
    status, second = await alice.call("POST", "sessions")
    assert status == 201
    first, alice.token = alice.token, second["token"]
    assert (await alice.call("GET", "account"))[1] == alice.account
    assert (await alice.call("DELETE", "sessions"))[0] == 204
    assert (await alice.call("GET", "account"))[0] == 401
    alice.token = first
    assert (await alice.call("GET", "account"))[0] == 200


async def test_unknown_and_elsewhere_without_a_partner(house: Any) -> None:
    """Without a partner the rail knows its own people only."""
    alice = await house.person("alice")
    for to in (house.server.rail.address_example.replace("b", "z"), "elsewhere:@bob"):
        to_nobody = "+393339990000" if house.name == "whatsapp" and not to.startswith("e") else to
        status, answer = await alice.call("POST", "messages", json={"to": to_nobody, "text": "hello"})
        assert (status, answer["error"]["code"]) == (404, "unknown_recipient")
    status, answer = await alice.call("POST", "messages", json={"to": "!!", "text": "hello"})
    assert (status, answer["error"]["code"]) == (400, "bad_address")


async def test_the_api_describes_itself(house: Any) -> None:
    """Every request of the description exists and wants a token or a body."""
    async with house.http.get(f"{house.url}/client/openapi.json") as answer:
        document = await answer.json()
    async with house.http.get(f"{house.url}/metrics") as answer:
        assert "rail_webhook_backlog" in await answer.text()
    for path in ("healthz", "readyz"):
        async with house.http.get(f"{house.url}/{path}") as answer:
            assert answer.status == 200
    for path, methods in document["paths"].items():
        for method in methods:
            async with house.http.request(method, house.url + path) as answer:
                assert answer.status in {400, 401}, (method, path)
