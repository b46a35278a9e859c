"""The federation partner on each rail: it hears, acts as anybody, ranks, fails, blocks, and is asked who is who."""

from typing import Any


async def ghost_of(house: Any, key: str, handle: str, *aliases: str) -> dict[str, Any]:
    """A ghost made by the partner."""
    body = {"key": key, "name": key.title(), "handle": handle, "aliases": list(aliases)}
    status, ghost = await house.graph("POST", "federation/ghosts", json=body)
    assert status == 200, ghost
    return ghost


async def test_the_partner_hears_of_accounts_and_messages(house: Any) -> None:
    """In the received form; the account written to is the node."""
    partner = await house.partner()
    alice, bob = await house.person("alice"), await house.person("bob")
    await partner.event(lambda event: event.get("field") is None and event.get("handle") == bob.handle)
    await alice.send(bob.handle, "Ciao \N{GRINNING FACE}")
    event = await partner.event(lambda event: house.received(event, "Ciao \N{GRINNING FACE}"))
    if house.name == "whatsapp":
        assert event["metadata"]["phone_number_id"] == bob.id
        assert (event["messages"][0]["from"], event["contacts"][0]["wa_id"]) == (alice.id, alice.id)
        assert event["contacts"][0]["user_id"]
        assert isinstance(event["messages"][0]["timestamp"], str)
    else:
        assert (event["sender"]["id"], event["recipient"]["id"]) == (alice.id, bob.id)
        assert isinstance(event["timestamp"], int)


async def test_threads_that_are_not_federated_stay_here(house: Any) -> None:
    """Two who are not federated are heard by nobody."""
    partner = await house.partner()
    alice = await house.person("alice", federated=False)
    bob = await house.person("bob", federated=False)
    carla = await house.person("carla")
    await alice.send(bob.handle, "private")
    await bob.call("POST", "read", json={"with": alice.handle})
    await alice.send(carla.handle, "public")
    await partner.event(lambda event: house.received(event, "public"))
    assert not any(house.received(event, "private") for event in partner.events)


async def test_acting_as_an_account(house: Any) -> None:
    """The partner writes as Alice: Bob gets it, Alice sees it as her own, the partner hears the echo only."""
    partner = await house.partner()
    alice, bob = await house.person("alice"), await house.person("bob")
    await alice.listen()
    body = house.text_body(bob.id, "from elsewhere", "tag-1", federation={"order": 7, "sent_at_ms": 1_700_000_000_123})
    headers = {"Idempotency-Key": "key-1"}
    path = f"{alice.id}/messages"
    status, answer = await house.graph("POST", path, json=body, headers=headers)
    assert status == 200, answer
    native_id = house.native_id(answer)
    _, again = await house.graph("POST", path, json=body, headers=headers)
    assert house.native_id(again) == native_id
    query = {"key": "key-1", "node": alice.id}
    assert (await house.graph("GET", "federation/messages", params=query))[1] == {"native_id": native_id}
    assert (await house.graph("GET", "federation/messages", params={**query, "key": "k"}))[0] == 404
    mine = (await alice.hear("message"))["message"]
    assert (mine["direction"], mine["sent_at_ms"], mine["text"]) == ("out", 1_700_000_000_123, "from elsewhere")
    assert [message["native_id"] for message in await bob.inbox()] == [native_id]
    if house.name == "whatsapp":
        echo = await partner.event(lambda event: event.get("statuses", [{}])[0].get("status") == "sent")
        assert echo["statuses"][0]["biz_opaque_callback_data"] == "tag-1"
        assert (echo["metadata"]["phone_number_id"], echo["statuses"][0]["id"]) == (alice.id, native_id)
    else:
        echo = await partner.event(lambda event: event.get("message", {}).get("is_echo"))
        assert (echo["message"]["metadata"], echo["message"]["mid"]) == ("tag-1", native_id)
    assert not any(house.received(event, "from elsewhere") for event in partner.events)


async def test_receipts_in_the_platforms_own_model(house: Any) -> None:
    """A ghost writes, Alice reads: the partner hears it as a status a message, a watermark, or a seen mid."""
    partner = await house.partner()
    alice = await house.person("alice")
    ghost = await ghost_of(house, "p-carla", "elsewhere:@carla")
    ids, times = [], []
    for n in range(2):
        status, answer = await house.graph("POST", f"{ghost['id']}/messages", json=house.text_body(alice.id, str(n)))
        assert status == 200, answer
        ids.append(house.native_id(answer))
        times.append(answer["federation"]["at_ms"])
    assert [message["from"] for message in await alice.inbox()] == ["elsewhere:@carla"] * 2
    await alice.inbox()
    await alice.call("POST", "read", json={"with": "elsewhere:@carla"})
    if house.name == "whatsapp":
        for native_id in ids:
            for word in ("delivered", "read"):
                await partner.event(
                    lambda e, i=native_id, w=word: any((s["id"], s["status"]) == (i, w) for s in e.get("statuses", []))
                )
    elif house.name == "messenger":
        delivery = await partner.event(lambda event: "delivery" in event)
        assert (delivery["delivery"]["mids"], delivery["delivery"]["watermark"]) == (ids, times[-1])
        read = await partner.event(lambda event: "read" in event)
        assert read["read"] == {"watermark": times[-1]}
        assert (read["sender"]["id"], read["recipient"]["id"]) == (alice.id, ghost["id"])
    else:
        read = await partner.event(lambda event: "read" in event)
        assert read["read"] == {"mid": ids[-1]}
        assert not any("delivery" in event for event in partner.events)


async def test_acts_of_ghosts_are_shown_to_people(house: Any) -> None:
    """Delivered and read by the partner raise the status; a private read does not show."""
    await house.partner()
    alice = await house.person("alice")
    ghost = await ghost_of(house, "p-bob", "elsewhere:@bob")
    await alice.listen()
    first = await alice.send("elsewhere:@bob", "1")
    assert (await alice.inbox())[0]["status"] == "sent"
    path, body = f"federation/{ghost['id']}", {"peer": alice.id, "up_to": first["native_id"]}
    assert (await house.graph("POST", f"{path}/delivered", json=body))[0] == 200
    assert (await alice.inbox())[0]["status"] == ("sent" if house.name == "instagram" else "delivered")
    assert (await house.graph("POST", f"{path}/read", json=body))[0] == 200
    receipt = await alice.hear("receipt")
    while receipt["status"] != "read":
        receipt = await alice.hear("receipt")
    assert (receipt["by"], receipt["up_to"]) == ("elsewhere:@bob", first["native_id"])
    second = await alice.send("elsewhere:@bob", "2")
    body = {"peer": alice.id, "up_to": second["native_id"], "private": True}
    assert (await house.graph("POST", f"{path}/read", json=body))[1] == {"success": True, "read": 1}
    assert [message["read"] for message in await alice.inbox()] == [True, False]


async def test_own_reads_elsewhere_empty_the_unread_count(house: Any) -> None:
    """What Bob read elsewhere is read here, and Alice sees nothing of it."""
    await house.partner()
    alice, bob = await house.person("alice"), await house.person("bob")
    await bob.listen()
    sent = await alice.send(bob.handle, "1")
    body = {"peer": alice.id, "up_to": sent["native_id"], "private": True}
    assert (await house.graph("POST", f"federation/{bob.id}/read", json=body))[0] == 200
    assert (await bob.hear("read"))["up_to"] == sent["native_id"]
    assert await bob.inbox(unread=1) == []
    assert not (await alice.inbox())[0]["read"]


async def test_failures_are_shown_and_never_take_back_an_arrival(house: Any) -> None:
    """A failed message may still arrive, never the other way."""
    await house.partner()
    alice, bob = await house.person("alice"), await house.person("bob")
    await ghost_of(house, "p-x", "elsewhere:@x")
    await alice.listen()
    lost = (await alice.send("elsewhere:@x", "lost"))["native_id"]
    body = {"native_id": lost, "code": "blocked", "message": "not taken there"}
    assert (await house.graph("POST", "federation/failures", json=body))[0] == 200
    assert (await alice.hear("failed"))["error"] == {"code": "blocked", "message": "not taken there"}
    assert (await alice.inbox())[0]["status"] == "failed"
    read = (await alice.send(bob.handle, "read"))["native_id"]
    await bob.call("POST", "read", json={"with": alice.handle})
    await house.graph("POST", "federation/failures", json={"native_id": read, "code": 131026, "message": "no"})
    assert (await alice.inbox())[1]["status"] == "read"


async def test_ranks_decide_what_is_shown_above_what(house: Any) -> None:
    """Until ranked, arrival order; then the partner's order, whatever came first; who looks on is told."""
    await house.partner()
    alice, bob = await house.person("alice"), await house.person("bob")
    await alice.listen()
    first, second, third = [(await alice.send(bob.handle, str(n)))["native_id"] for n in (1, 2, 3)]
    orders = {first: 3, second: 1, third: 4, "unknown": 9}
    status, answer = await house.graph("POST", "federation/orders", json={"orders": orders})
    assert (status, answer) == (200, {"success": True, "known": 3})
    assert (await alice.hear("order"))["type"] == "order"
    assert [message["text"] for message in await bob.inbox()] == ["2", "1", "3"]
    body = house.text_body(alice.id, "late", federation={"order": 2})
    assert (await house.graph("POST", f"{bob.id}/messages", json=body))[0] == 200
    assert (await alice.hear("order"))["type"] == "order"
    assert [message["text"] for message in await bob.inbox(**{"with": alice.handle})] == ["2", "late", "1", "3"]
    await alice.send(bob.handle, "next")
    assert [message["text"] for message in await bob.inbox()][-1] == "next"


async def test_who_is_elsewhere_is_asked_of_the_partner(house: Any) -> None:
    """A known ghost needs no asking; else the partner says who it is, or nobody; and is it away, nothing is guessed."""
    partner = await house.partner()
    alice, bob = await house.person("alice"), await house.person("bob")
    await ghost_of(house, "p-carla", "elsewhere:@carla", "faraway:+39 333 111")
    await alice.send("elsewhere:@Carla", "1")
    await alice.send("faraway:+39333111", "2")
    assert partner.asked == []
    partner.resolutions["elsewhere:@bob"] = (200, {"account": bob.id})
    partner.resolutions["elsewhere:@closed"] = (403, {})
    await alice.send("elsewhere:@Bob", "3")
    assert partner.asked == [{"address": "elsewhere:@bob", "requester": alice.id}]
    assert [message["text"] for message in await bob.inbox()] == ["3"]
    expected = {"elsewhere:@nobody": "unknown_recipient", "elsewhere:@closed": "recipient_unavailable"}
    for to, code in expected.items():
        _, answer = await alice.call("POST", "messages", json={"to": to, "text": "x"})
        assert answer["error"]["code"] == code
    partner.resolutions["elsewhere:@down"] = (500, {})
    status, answer = await alice.call("POST", "messages", json={"to": "elsewhere:@down", "text": "x"})
    assert (status, answer["error"]["code"]) == (503, "not_reachable_now")


async def test_a_ghost_is_one_by_its_key(house: Any) -> None:
    """The same key is the same ghost, under whichever handle."""
    ghost = await ghost_of(house, "p-1", "elsewhere:@old")
    again = await ghost_of(house, "p-1", "elsewhere:@new", "elsewhere:@old")
    assert again["id"] == ghost["id"]
    assert (again["handle"], again["key"], again["kind"]) == ("elsewhere:@new", "p-1", "ghost")
    status, shown = await house.graph("GET", f"federation/accounts/{ghost['id']}")
    assert (status, shown) == (200, again)
    alice = await house.person("alice")
    status, page = await house.graph("GET", "federation/accounts", params={"limit": 1})
    assert (page["accounts"], page["next"]) == ([again], ghost["id"])
    status, page = await house.graph("GET", "federation/accounts", params={"after": ghost["id"]})
    assert (page["accounts"], page["next"]) == ([alice.account], None)


async def test_blocks_travel(house: Any) -> None:
    """Blocks made here are told, blocks made elsewhere hold, and none comes back."""
    partner = await house.partner()
    alice, bob = await house.person("alice"), await house.person("bob")
    await bob.call("POST", "blocks", json={"address": alice.handle})
    told = await partner.event(lambda event: "blocker" in event)
    assert told == {"blocker": bob.id, "blocked": alice.id, "on": True}
    body = {"blocker": alice.id, "blocked": bob.id, "on": True}
    assert (await house.graph("POST", "federation/blocks", json=body))[0] == 200
    assert (await bob.call("POST", "messages", json={"to": alice.handle, "text": "x"}))[0] == 403
    _, answer = await house.graph("POST", f"{bob.id}/messages", json=house.text_body(alice.id, "x"))
    assert answer["error"]["code"] == {"whatsapp": 131026}.get(house.name, 551)
    assert sum("blocker" in event for event in partner.events) == 1


async def test_a_batch_is_done_in_order_and_failures_stand_alone(house: Any) -> None:
    """One answer a request, in order."""
    await house.partner()
    alice, bob = await house.person("alice"), await house.person("bob")
    posts = [
        {
            "method": "POST",
            "path": f"/v19.0/{alice.id}/messages",
            "headers": {"Idempotency-Key": f"k{n}"},
            "body": house.text_body(bob.id if n != 2 else "1", str(n)),
        }
        for n in range(5)
    ]
    posts.append({"method": "GET", "path": f"/v1.0/federation/messages?key=k4&node={alice.id}"})
    status, answer = await house.graph("POST", "federation/batch", json={"requests": posts})
    assert status == 200, answer
    assert [part["status"] for part in answer["responses"]] == [200, 200, 400, 200, 200, 200]
    assert answer["responses"][5]["body"]["native_id"] == house.native_id(answer["responses"][4]["body"])
    assert [message["text"] for message in await bob.inbox()] == ["0", "1", "3", "4"]


async def test_only_the_partner(house: Any) -> None:
    """Other tokens open nothing."""
    alice = await house.person("alice")
    for token in ("", "wrong", alice.token):
        for path in ("federation/accounts", f"{alice.id}?fields=name"):
            status, answer = await house.graph("GET", path, token=token)
            assert (status, answer["error"]["code"]) == (401, 190)
    status, answer = await house.graph("POST", "federation/nodes", token="wrong", json={"name": "x"})
    assert (status, answer["error"]["code"]) == (401, 190)
