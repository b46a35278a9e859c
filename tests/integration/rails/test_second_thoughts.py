"""Edits, unsends, reactions, votes and typing: by people's apps, as the partner and as a business hear of them."""

from typing import Any

import pytest

THUMB = "\N{THUMBS UP SIGN}"
PARTY = "\N{PARTY POPPER}"


async def pair(house: Any) -> tuple[Any, Any]:
    """Alice and Bob, Bob listening."""
    alice, bob = await house.person("alice"), await house.person("bob")
    await bob.listen()
    return alice, bob


async def shown_to(person: Any, native_id: str) -> dict[str, Any]:
    """The message as that person sees it now."""
    (message,) = [m for m in await person.inbox() if m["native_id"] == native_id]
    return message


async def test_an_edit_is_seen_and_heard(house: Any) -> None:
    """Both see the new words; the partner hears the platform's form, where the ids and words are what they are."""
    partner = await house.partner()
    alice, bob = await pair(house)
    sent = await alice.send(bob.handle, "Ciaoo")
    status, edited = await alice.call("PATCH", f"messages/{sent['native_id']}", json={"text": "Ciao"})
    assert (status, edited["text"], edited["edited"]) == (200, "Ciao", True)
    pushed = await bob.hear("edited")
    assert (pushed["message"]["text"], pushed["message"]["native_id"]) == ("Ciao", sent["native_id"])
    assert (await shown_to(bob, sent["native_id"]))["edited"] is True
    if house.name == "whatsapp":
        event = await partner.event(lambda e: e.get("messages", [{}])[0].get("type") == "edit")
        told = event["messages"][0]
        assert told["edit"] == {
            "original_message_id": sent["native_id"],
            "message": {"type": "text", "text": {"body": "Ciao"}},
        }
        assert told["id"] != sent["native_id"]
    else:
        event = await partner.event(lambda e: "message_edit" in e)
        assert event["message_edit"] == {"mid": sent["native_id"], "text": "Ciao", "num_edit": 1}
    again = await alice.call("PATCH", f"messages/{sent['native_id']}", json={"text": "Ciao"})
    assert (again[0], again[1]["edited"]) == (200, True)


async def test_only_the_author_and_only_so_often(house: Any) -> None:
    """Each refusal has its word; what was refused has changed nothing."""
    alice, bob = await pair(house)
    carla = await house.person("carla")
    path = f"messages/{(await alice.send(bob.handle, 'one'))['native_id']}"
    assert (await bob.call("PATCH", path, json={"text": "x"}))[1]["error"]["code"] == "not_author"
    assert (await bob.call("DELETE", path))[1]["error"]["code"] == "not_author"
    assert (await carla.call("PATCH", path, json={"text": "x"}))[1]["error"]["code"] == "not_found"
    assert (await carla.call("PUT", f"{path}/reaction", json={"emoji": THUMB}))[0] == 404
    assert (await alice.call("PATCH", path, json={"text": " "}))[1]["error"]["code"] == "bad_request"
    assert (await alice.call("PATCH", path, json={"text": "x" * 70_000}))[1]["error"]["code"] == "too_long"
    words = [(await alice.call("PATCH", path, json={"text": f"edit {n}"}))[1] for n in range(6)]
    if house.name == "whatsapp":
        assert words[5]["text"] == "edit 5"
    else:
        assert words[4]["text"] == "edit 4"
        assert words[5]["error"]["code"] == "too_many_edits"


async def test_an_unsend_leaves_nothing_to_read(house: Any) -> None:
    """The place stays, the words are gone, everywhere and in the file; it may be asked twice."""
    partner = await house.partner()
    alice, bob = await pair(house)
    sent = await alice.send(bob.handle, "Segreto")
    await bob.call("PUT", f"messages/{sent['native_id']}/reaction", json={"emoji": THUMB})
    for _ in range(2):
        status, gone = await alice.call("DELETE", f"messages/{sent['native_id']}")
        assert (status, gone["unsent"], gone["text"], gone["reactions"]) == (200, True, "", {})
    assert (await bob.hear("unsent"))["message"]["text"] == ""
    assert (await shown_to(bob, sent["native_id"]))["unsent"] is True
    matches = {
        "whatsapp": lambda e: e.get("messages", [{}])[0].get("type") == "revoke",
        "messenger": lambda e: e.get("native_id") == sent["native_id"],
        "instagram": lambda e: e.get("message", {}).get("is_deleted"),
    }
    event = await partner.event(matches[house.name])
    if house.name == "whatsapp":
        assert event["messages"][0]["revoke"] == {"original_message_id": sent["native_id"]}
    elif house.name == "messenger":
        assert (event["author"], event["peer"]) == (alice.id, bob.id)
    else:
        assert event["message"] == {"mid": sent["native_id"], "is_deleted": True}
    path = f"messages/{sent['native_id']}"
    assert (await alice.call("PATCH", path, json={"text": "x"}))[1]["error"]["code"] == "unsent"
    assert (await bob.call("PUT", f"{path}/reaction", json={"emoji": THUMB}))[1]["error"]["code"] == "unsent"


async def test_a_reaction_comes_changes_and_goes(house: Any) -> None:
    """One a person and message; the partner hears each in the platform's form."""
    partner = await house.partner()
    alice, bob = await pair(house)
    sent = await alice.send(bob.handle, "Ciao")
    path = f"messages/{sent['native_id']}/reaction"
    for emoji in (THUMB, PARTY):
        status, message = await bob.call("PUT", path, json={"emoji": emoji})
        assert (status, message["reactions"]) == (200, {bob.handle: emoji})
    assert (await shown_to(alice, sent["native_id"]))["reactions"] == {bob.handle: PARTY}
    assert (await bob.call("PUT", path, json={"emoji": ""}))[1]["reactions"] == {}
    if house.name == "whatsapp":
        last = await partner.event(
            lambda e: e.get("messages", [{}])[0].get("reaction", {"emoji": ""}).get("emoji") is None
        )
        assert last["messages"][0]["reaction"] == {"message_id": sent["native_id"]}
        told = [m["reaction"] for e in partner.events for m in e.get("messages", []) if "reaction" in m]
        assert [reaction.get("emoji") for reaction in told] == [THUMB, PARTY, None]
    else:
        await partner.event(lambda e: e.get("reaction", {}).get("action") == "unreact")
        told = [e["reaction"] for e in partner.events if "reaction" in e]
        assert [(r["action"], r.get("reaction"), r.get("emoji")) for r in told] == [
            ("react", "like", THUMB),
            ("react", "other", PARTY),
            ("unreact", None, None),
        ]
    for wrong in ("x", "two words", THUMB * 2, "", None):
        status, answer = await bob.call("PUT", path, json={"emoji": wrong})
        assert (status == 200) is (wrong == ""), (wrong, answer)


async def test_the_partner_does_all_of_it(house: Any) -> None:
    """As a ghost: edits, reacts, types, takes back; idempotent, not told back, refusals named in federation_code."""
    partner = await house.partner()
    alice = await house.person("alice")
    await alice.listen()
    body = {"key": "per_1", "name": "Carla", "handle": "elsewhere:carla"}
    ghost = (await house.graph("POST", "federation/ghosts", json=body))[1]
    posted = (await house.graph("POST", f"{ghost['id']}/messages", json=house.text_body(alice.id, "Salve")))[1]
    native_id = house.native_id(posted)
    for _ in range(2):
        status, answer = await house.graph(
            "POST", f"federation/{ghost['id']}/edit", json={"native_id": native_id, "text": "Salve!"}
        )
        assert (status, answer["edits"]) == (200, 1)
    assert (await alice.hear("edited"))["message"]["text"] == "Salve!"
    status, answer = await house.graph(
        "POST", f"federation/{alice.id}/edit", json={"native_id": native_id, "text": "x"}
    )
    assert (status, answer["error"]["error_data"]["federation_code"]) == (400, "not_author")
    assert answer["error"]["code"] == 100
    sent = await alice.send(ghost["handle"], "Ciao")
    if house.name == "whatsapp":
        reaction = {"message_id": sent["native_id"], "emoji": PARTY}
        react = {"messaging_product": "whatsapp", "to": alice.id, "type": "reaction", "reaction": reaction}
    else:
        payload = {"message_id": sent["native_id"], "emoji": PARTY}
        react = {"recipient": {"id": alice.id}, "sender_action": "react", "payload": payload}
    for _ in range(2):
        assert (await house.graph("POST", f"{ghost['id']}/messages", json=react))[0] == 200
    assert (await alice.hear("reaction"))["message"]["reactions"] == {ghost["handle"]: PARTY}
    await house.graph("POST", f"federation/{ghost['id']}/typing", json={"peer": alice.id, "on": True})
    assert (await alice.hear("typing"))["by"] == ghost["handle"]
    for _ in range(2):
        gone = await house.graph("POST", f"federation/{ghost['id']}/unsend", json={"native_id": native_id})
        assert gone == (200, {"success": True})
    assert (await alice.hear("unsent"))["message"]["unsent"] is True
    await alice.send(ghost["handle"], "last")
    await partner.event(lambda event: house.received(event, "last") if "statuses" not in event else False)
    words = ("edit", "revoke", "reaction")
    assert not [m for e in partner.events for m in e.get("messages", []) if m.get("type") in words]
    assert not [
        e for e in partner.events if "message_edit" in e or "reaction" in e or e.get("message", {}).get("is_deleted")
    ]


async def test_typing_is_heard_by_the_partner(house: Any) -> None:
    """From the app to the other one's socket and to the partner; a stranger's address is refused."""
    partner = await house.partner()
    alice, bob = await pair(house)
    assert (await alice.call("POST", "typing", json={"to": bob.handle, "on": True}))[0] == 204
    assert (await bob.hear("typing"))["on"] is True
    told = await partner.event(lambda e: e.get("node") == alice.id)
    assert (told["peer"], told["on"]) == (bob.id, True)
    status, answer = await alice.call("POST", "typing", json={"to": "elsewhere:nobody"})
    assert (status, answer["error"]["code"]) == (404, "not_found")


async def test_a_poll_and_its_votes(open_house: Any) -> None:
    """WhatsApp only: asked, answered, changed, taken back; the partner hears all of it and can vote too."""
    house = await open_house("whatsapp")
    partner = await house.partner()
    alice, bob = await pair(house)
    poll = {"type": "poll", "question": "Pizza?", "options": ["Si", "No", "Forse"]}
    status, sent = await alice.call("POST", "messages", json={"to": bob.handle, "content": poll})
    assert status == 201, sent
    path = f"messages/{sent['native_id']}/vote"
    assert (await bob.call("PUT", path, json={"options": [1]}))[1]["votes"] == {bob.handle: [1]}
    assert (await alice.call("PUT", path, json={"options": [0]}))[1]["votes"] == {bob.handle: [1], alice.handle: [0]}
    for wrong in ([0, 1], [3], [-1], ["0"], [True], None):
        assert (await bob.call("PUT", path, json={"options": wrong}))[0] == 400
    told = await partner.event(lambda e: e.get("question") == "Pizza?")
    assert (told["author"], told["peer"], told["options"], told["several"]) == (
        alice.id,
        bob.id,
        poll["options"],
        False,
    )
    votes = await partner.event(lambda e: e.get("voter") == alice.id)
    assert (votes["author"], votes["peer"], votes["options"]) == (alice.id, bob.id, [0])
    status, _ = await house.graph(
        "POST", f"federation/{bob.id}/vote", json={"native_id": sent["native_id"], "options": []}
    )
    assert status == 200
    shown = await shown_to(alice, sent["native_id"])
    assert (shown["votes"], shown["content"]["options"]) == ({alice.handle: [0]}, poll["options"])
    asked = {"peer": alice.id, "question": "Quando?", "options": ["Oggi", "Domani"], "several": True}
    for _ in range(2):
        status, posted = await house.graph(
            "POST", f"federation/{bob.id}/poll", json=asked, headers={"Idempotency-Key": "k"}
        )
        assert status == 200, posted
    assert len([m for m in await alice.inbox() if (m["content"] or {}).get("question") == "Quando?"]) == 1


@pytest.mark.parametrize(
    "content", [{"type": "poll", "question": "?", "options": ["a", "b"]}, {"type": "dance"}, [], 7]
)
async def test_what_a_rail_does_not_carry_is_refused(house: Any, content: Any) -> None:
    """With `unsupported` where there is such a thing elsewhere, `bad_request` where there is not."""
    alice, bob = await pair(house)
    status, answer = await alice.call("POST", "messages", json={"to": bob.handle, "content": content})
    if isinstance(content, dict) and content["type"] == "poll":
        assert (status == 201) if house.name == "whatsapp" else (answer["error"]["code"] == "unsupported")
    else:
        assert (status, answer["error"]["code"]) == (400, "bad_request")


async def test_forwarded_literal_and_previewed(open_house: Any) -> None:
    """WhatsApp's flags of a text reach the other one and the partner, and the partner can set them."""
    house = await open_house("whatsapp")
    partner = await house.partner()
    alice, bob = await pair(house)
    await alice.send(bob.handle, "2 * 3 * 4", markup=False, forwarded=2, preview=True)
    heard = (await bob.hear("message"))["message"]
    assert (heard["markup"], heard["forwarded"], heard["preview"]) == (False, 2, True)
    told = (await partner.event(lambda e: house.received(e, "2 * 3 * 4")))["messages"][0]
    assert (told["context"], told["federation"]) == ({"frequently_forwarded": True}, {"plain": True, "preview": True})
    body = {**house.text_body(bob.id, "*literal*"), "federation": {"order": 5, "forwarded": 1, "plain": True}}
    assert (await house.graph("POST", f"{alice.id}/messages", json=body))[0] == 200
    heard = (await bob.hear("message"))["message"]
    assert (heard["text"], heard["markup"], heard["forwarded"]) == ("*literal*", False, 1)
    await alice.send(bob.handle, "*bold*")
    assert (await bob.hear("message"))["message"]["markup"] is True


async def test_a_business_hears_of_them(house: Any) -> None:
    """In the platform's own form, as far as it has one."""
    node, shop = await house.business()
    alice = await house.person("alice")
    sent = await alice.send(node["handle"], "one")
    await alice.call("PATCH", f"messages/{sent['native_id']}", json={"text": "two"})
    body = house.text_body(alice.id, "Benvenuta")
    posted = (await house.graph("POST", f"{node['node_id']}/messages", token=node["access_token"], json=body))[1]
    native_id = house.native_id(posted)
    await alice.call("PUT", f"messages/{native_id}/reaction", json={"emoji": THUMB})
    if house.name == "whatsapp":
        edit = await shop.event(lambda e: e.get("messages", [{}])[0].get("type") == "edit")
        assert edit["messages"][0]["edit"]["message"]["text"]["body"] == "two"
        reaction = await shop.event(lambda e: e.get("messages", [{}])[0].get("type") == "reaction")
        assert reaction["messages"][0]["reaction"] == {"message_id": native_id, "emoji": THUMB}
    else:
        assert (await shop.event(lambda e: "message_edit" in e))["message_edit"]["text"] == "two"
        reaction = (await shop.event(lambda e: "reaction" in e))["reaction"]
        assert (reaction["mid"], reaction["reaction"], reaction["action"]) == (native_id, "like", "react")
    status, answer = await house.graph(
        "POST", f"federation/{node['node_id']}/unsend", token=node["access_token"], json={"native_id": native_id}
    )
    assert status == 401, answer


async def test_paging_back(house: Any) -> None:
    """From the latest to the first, each once, whatever the ranks."""
    alice, bob = await pair(house)
    for n in range(7):
        await alice.send(bob.handle, str(n))
    found: list[str] = []
    query: dict[str, Any] = {"with": bob.handle, "limit": 3}
    while True:
        status, page = await alice.call("GET", "messages", params=query)
        assert status == 200, page
        found = [m["text"] for m in page["messages"]] + found
        if page["previous"] is None:
            break
        query["before"] = page["previous"]
    assert found == [str(n) for n in range(7)]
    for wrong in (
        {"before": "x", "with": bob.handle},
        {"before": "1"},
        {"before": "1", "after": "0", "with": bob.handle},
    ):
        assert (await alice.call("GET", "messages", params=wrong))[0] == 400
