"""The Platform API for businesses: forms of tokens and bodies, webhooks, errors, hostile input."""

import hashlib
import hmac
import json
from typing import Any

import aiohttp
import pytest


async def test_a_business_and_a_person(house: Any) -> None:
    """A text each way, receipts each way, in the platform's own forms; one event a POST."""
    node, shop = await house.business()
    alice = await house.person("alice")
    await alice.listen()
    path, token = f"{node['node_id']}/messages", node["access_token"]
    status, answer = await house.graph("POST", path, token=token, json=house.text_body(alice.id, "Welcome"))
    assert status == 200, answer
    native_id = house.native_id(answer)
    assert (await alice.hear("message"))["message"]["from"] == node["handle"]
    await alice.call("POST", "read", json={"with": node["handle"]})
    if house.name == "whatsapp":
        for word in ("sent", "delivered", "read"):
            event = await shop.event(lambda e, w=word: e.get("statuses", [{}])[0].get("status") == w)
            assert event["statuses"][0]["id"] == native_id
            assert event["contacts"][0]["user_id"] == event["statuses"][0]["recipient_user_id"]
    else:
        assert (await shop.event(lambda e: e.get("message", {}).get("is_echo")))["message"]["mid"] == native_id
        assert (await shop.event(lambda e: "read" in e))["sender"]["id"] == alice.id
    sent = await alice.send(node["handle"], "Thanks")
    await shop.event(lambda e: house.received(e, "Thanks"))
    assert all(len(post["entry"]) == 1 for post in shop.posts)
    if house.name != "instagram":  # handed to the business's webhook: delivered
        receipt = await alice.hear("receipt")
        assert (receipt["status"], receipt["up_to"]) == ("delivered", sent["native_id"])
    seen: dict[str, Any] = {"recipient": {"id": alice.id}, "sender_action": "mark_seen"}
    if house.name == "whatsapp":
        seen = {"messaging_product": "whatsapp", "status": "read", "message_id": sent["native_id"]}
    assert (await house.graph("POST", path, token=token, json=seen))[0] == 200
    receipt = await alice.hear("receipt")
    assert (receipt["status"], receipt["up_to"]) == ("read", sent["native_id"])


async def test_the_partner_hears_of_businesses_too(house: Any) -> None:
    """A business is an account like any other."""
    node, shop = await house.business()
    partner = await house.partner()
    body = {"key": "p-1", "name": "Bob", "handle": "elsewhere:@bob", "aliases": []}
    _, ghost = await house.graph("POST", "federation/ghosts", json=body)
    path, token = f"{node['node_id']}/messages", node["access_token"]
    assert (await house.graph("POST", path, token=token, json=house.text_body(ghost["id"], "Welcome")))[0] == 200
    await partner.event(lambda e: house.received(e, "Welcome"))
    body = house.text_body(node["node_id"], "Thanks")
    assert (await house.graph("POST", f"{ghost['id']}/messages", json=body))[0] == 200
    await shop.event(lambda e: house.received(e, "Thanks"))
    assert not any(house.received(event, "Welcome") for event in shop.events)


async def test_tokens_in_all_their_places(house: Any) -> None:
    """Bearer, query, body, header; a proof is verified when it is there."""
    node, _ = await house.business()
    token, url = node["access_token"], f"{house.url}/v2.12/me"
    proof = hmac.new(node["app_secret"].encode(), token.encode(), hashlib.sha256).hexdigest()
    for params, headers in (
        ({"access_token": token}, {}),
        ({"access_token": token, "appsecret_proof": proof}, {}),
        ({}, {"Authorization": f"Bearer {token}"}),
        ({}, {"X-API-Key": token}),
    ):
        async with house.http.get(url, params=params, headers=headers) as answer:
            assert (answer.status, (await answer.json())["id"]) == (200, node["node_id"])
    async with house.http.get(url, params={"access_token": token, "appsecret_proof": "0" * 64}) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, 100)
    alice = await house.person("alice")
    body = {**house.text_body(alice.id, "in the body"), "access_token": token}
    async with house.http.post(f"{house.url}/v26.0/{node['node_id']}/messages", json=body) as answer:
        assert answer.status == 200, await answer.text()


@pytest.mark.parametrize("rail", ["messenger", "instagram"])
async def test_bodies_in_all_their_forms(open_house: Any, rail: str) -> None:
    """JSON, JSON strings inside JSON, urlencoded, multipart; null members and odd messaging types."""
    house = await open_house(rail)
    node, _ = await house.business()
    alice = await house.person("alice")
    token = node["access_token"]
    recipient, url = json.dumps({"id": alice.id}), f"{house.url}/v19.0/me/messages"

    def message(text: str) -> str:
        return json.dumps({"text": text})

    multipart = aiohttp.FormData({"recipient": recipient, "message": message("4"), "access_token": token})
    multipart._is_multipart = True
    forms: list[dict[str, Any]] = [
        {"json": {"recipient": {"id": alice.id}, "message": {"text": "1"}, "tag": None, "messaging_type": "response"}},
        {"json": {"recipient": recipient, "message": message("2"), "messaging_type": None}},
        {"data": {"recipient": recipient, "message": message("3"), "access_token": token}},
        {"data": multipart},
    ]
    for form in forms:
        headers = {"Authorization": f"Bearer {token}"} if "json" in form else {}
        async with house.http.post(url, headers=headers, **form) as answer:
            assert answer.status == 200, await answer.text()
    batch = [
        {"method": "POST", "relative_url": "me/messages", "body": f"recipient={recipient}&message={message('5')}"},
        {"method": "POST", "relative_url": "me/messages", "body": "recipient={}"},
        {"method": "GET", "relative_url": "me?fields=name"},
    ]
    async with house.http.post(
        f"{house.url}/v19.0/", json={"batch": json.dumps(batch), "access_token": token}
    ) as answer:
        parts = await answer.json()
    assert [part["code"] for part in parts] == [200, 400, 200]
    assert json.loads(parts[2]["body"]) == {"id": node["node_id"], "name": "Corner Shop"}
    assert [m["text"] for m in await alice.inbox()] == ["1", "2", "3", "4", "5"]


async def test_errors_with_the_platforms_codes(house: Any) -> None:
    """Clients tell errors by codes, so the codes are the real ones."""
    node, _ = await house.business()
    alice, bob = await house.person("alice"), await house.person("bob")
    await bob.call("POST", "blocks", json={"address": node["handle"]})
    path, token = f"{node['node_id']}/messages", node["access_token"]
    nobody = "19990000000" if house.name == "whatsapp" else "77"
    codes = {
        "whatsapp": {"nobody": (131026, None), "blocked": (131026, None), "self": (131021, None)},
        "messenger": {"nobody": (100, 2018001), "blocked": (551, 1545041), "self": (100, 2018001)},
        "instagram": {"nobody": (100, 2534014), "blocked": (551, 1545041), "self": (100, 2534014)},
    }[house.name]
    for case, to in (("nobody", nobody), ("blocked", bob.id), ("self", node["node_id"])):
        status, answer = await house.graph("POST", path, token=token, json=house.text_body(to, "x"))
        error = answer["error"]
        assert (status, error["code"], error.get("error_subcode")) == (400, *codes[case])
        assert (error["type"], bool(error["fbtrace_id"])) == ("OAuthException", True)
    for wrong in (
        {},
        {"messaging_product": "whatsapp"},
        {"recipient": "x"},
        {"recipient": {"id": alice.id}, "message": 3},
    ):
        status, answer = await house.graph("POST", path, token=token, json=wrong)
        assert (status, answer["error"]["code"]) == (400, 100)
    status, answer = await house.graph("POST", f"{alice.id}/messages", token=token, json=house.text_body(bob.id, "x"))
    assert (status, answer["error"]["code"]) == (400, 100)
    status, answer = await house.graph("POST", path, token="expired", json=house.text_body(alice.id, "x"))
    assert (status, answer["error"]["code"]) == (401, 190)


HOSTILE = [
    b"[" * 100_000,
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    b'{"to":"\xff\xfe","text":"x"}',
    b'{"to":"\\ud800","text":"\\udfff"}',
    b'{"to":{},"text":[],"recipient":[[]],"message":"{"}',
    b'{"to":"x","text":"\\u0000","recipient":{"id":{"id":1}},"messaging_product":"whatsapp"}',
    b'{"messaging_product":"whatsapp","to":"1","text":{"body":1},"recipient":{"id":"1"},"message":{"text":1}}',
    b'{"messaging_product":"whatsapp","to":"1","federation":[],"text":{"body":"x"},"message":{"text":"x"},"recipient":{"id":"1"}}',
    b"null",
    b'"text"',
    b"",
    b"\x00\x01\x02",
    b'{"orders":{"x":1e400}}',
    b'{"orders":{"x":99999999999999999999999}}',
    b'{"requests":[1,2]}',
    b'{"requests":[{"method":"POST","path":"//[","body":{}}]}',
    b'{"key":"k","name":"n","handle":"\\ud83d:x"}',
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_bodies_are_refused_cleanly(house: Any, body: bytes) -> None:
    """Whatever is sent: 4xx with the face's own error body."""
    alice = await house.person("alice")
    own = {"Authorization": f"Bearer {alice.token}", "Content-Type": "application/json"}
    partners = {"Authorization": "Bearer partner-token", "Content-Type": "application/json"}
    for path in ("accounts", "messages", "read", "blocks"):
        async with house.http.post(f"{house.url}/client/v1/{path}", data=body, headers=own) as answer:
            told = await answer.json()
            assert 400 <= answer.status < 500, (path, told)
            assert told["error"]["message"]
    for path in (f"{alice.id}/messages", "federation/orders", "federation/ghosts", "federation/failures", ""):
        async with house.http.post(f"{house.url}/v19.0/{path}", data=body, headers=partners) as answer:
            told = await answer.json()
            assert 400 <= answer.status < 500, (path, told)
            assert told["error"]["code"]
    async with house.http.post(f"{house.url}/v19.0/federation/batch", data=body, headers=partners) as answer:
        told = await answer.json()
        assert answer.status == 400 or all(part["status"] == 400 for part in told["responses"]), told


async def test_large_bodies(house: Any) -> None:
    """Too large with a length, or found to be too large without one."""
    alice = await house.person("alice")
    body = json.dumps({"to": alice.handle, "text": "x" * 2 * 1024 * 1024}).encode()

    async def in_pieces() -> Any:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    for sent in (body, in_pieces()):
        async with house.http.post(
            f"{house.url}/client/v1/messages", data=sent, headers={"Authorization": f"Bearer {alice.token}"}
        ) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (413, "too_large")
    async with house.http.post(
        f"{house.url}/v19.0/{alice.id}/messages", data=body, headers={"Authorization": "Bearer partner-token"}
    ) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (413, 100)


@pytest.mark.parametrize(
    "query", ["after=x", "after=-1", "limit=1e9", "after=" + "9" * 40, "with=%ED%A0%80", "thread=%FF%00"]
)
async def test_hostile_queries(house: Any, query: str) -> None:
    """Queries are refused or harmless."""
    alice = await house.person("alice")
    async with house.http.get(
        f"{house.url}/client/v1/messages?{query}&token={alice.token}", headers={"Connection": "close"}
    ) as answer:
        told = await answer.json()
        assert answer.status in {200, 400, 404}, told


async def test_odd_paths(house: Any) -> None:
    """A path that is none has the platform's error body."""
    for path in ("me/messages", "%FF/messages", "1/2/3/4", "federation", "federation/x/y/z", "federation/batch"):
        status, answer = await house.graph("POST", path, json={})
        assert (400 <= status < 500, bool(answer["error"])) == (True, True)
    for path in ("/v19.0", "/v19.0/", "/v999.0//x", "/v1.0/federation/%2e%2e/batch"):
        async with house.http.post(house.url + path, headers={"Authorization": "Bearer partner-token"}) as told:
            assert 400 <= told.status < 500, path
