"""Messages with choices over HTTP: a business offers, a person answers, the business hears, the partner has text."""

import asyncio
from typing import Any

import pytest
from pywa import WhatsApp, types

from tests.integration.rails.test_published_clients import whatsapp_client


async def answer(person: Any, node: dict[str, Any], ident: str) -> dict[str, Any]:
    """The person chooses from the latest message; that message."""
    offered = (await person.inbox())[-1]
    content = {"type": "choice", "of": offered["native_id"], "id": ident}
    status, told = await person.call("POST", "messages", json={"to": node["handle"], "content": content})
    assert status == 201, told
    last = (await person.inbox())[-1]
    assert (last["content"]["type"], last["reply_to"]) == ("choice", offered["native_id"])
    return dict(offered)


async def test_pywa_buttons_and_lists(open_house: Any) -> None:
    """By pywa: a business sends buttons and hears the button that was pressed; the partner has both as text."""
    house = await open_house("whatsapp")
    partner = await house.partner()
    node, shop = await house.business()
    alice = await house.person("alice")
    client, _ = whatsapp_client(house, node, waba_id=node["waba_id"])
    got: asyncio.Queue[Any] = asyncio.Queue()
    client.on_callback_button()(lambda _, button: got.put_nowait(button))
    client.on_callback_selection()(lambda _, selection: got.put_nowait(selection))
    to = alice.account["address"]
    buttons = [types.Button(title="Yes", callback_data="y"), types.Button(title="No", callback_data="n")]
    await asyncio.to_thread(client.send_message, to=to, text="Tea?", buttons=buttons)
    offered = await answer(alice, node, "y")
    assert (offered["text"], offered["content"]["kind"]) == ("Tea?\n1. Yes\n2. No", "button")
    rows = [types.SectionRow(title="Green", callback_data="g", description="mild")]
    section = types.SectionList(button_title="Teas", sections=[types.Section(title="All", rows=rows)])
    await asyncio.to_thread(client.send_message, to=to, text="Which?", buttons=section)
    await answer(alice, node, "g")
    await shop.event(lambda event: any("list_reply" in m.get("interactive", {}) for m in event.get("messages", [])))
    await feed(client, shop)
    assert (got.get_nowait().data, got.get_nowait().data) == ("y", "g")
    for text in ("Tea?\n1. Yes\n2. No", "Yes", "Green"):
        await partner.event(lambda event, text=text: house.received(event, text))


async def feed(client: WhatsApp, shop: Any) -> None:
    """Hand the webhooks that came to the client."""
    for body, _ in shop.raw:
        await asyncio.to_thread(client.webhook_update_handler, body)


@pytest.mark.parametrize("name", ["messenger", "instagram"])
async def test_quick_replies_and_postbacks(open_house: Any, name: str) -> None:
    """A quick reply and a postback come back with their payloads."""
    house = await open_house(name)
    partner = await house.partner()
    node, shop = await house.business()
    bob = await house.person("bob")
    quick = [{"content_type": "text", "title": "Yes", "payload": "YES"}]
    button = {"type": "postback", "title": "Buy", "payload": "BUY"}
    payload = {"template_type": "button", "text": "Tea", "buttons": [button]}
    for message in ({"text": "Tea?", "quick_replies": quick}, {"attachment": {"type": "template", "payload": payload}}):
        body = {"recipient": {"id": bob.account["id"]}, "message": message}
        status, told = await house.graph("POST", "me/messages", token=node["access_token"], json=body)
        assert status == 200, told
        await answer(bob, node, "1")
    replied = await shop.event(lambda event: "quick_reply" in event.get("message", {}))
    assert (replied["message"]["text"], replied["message"]["quick_reply"]) == ("Yes", {"payload": "YES"})
    pressed = await shop.event(lambda event: "postback" in event)
    assert (pressed["postback"]["title"], pressed["postback"]["payload"]) == ("Buy", "BUY")
    for text in ("Tea?\n1. Yes", "Yes", "Tea\n1. Buy", "Buy"):
        await partner.event(lambda event, text=text: house.received(event, text))


async def test_unknown_paths_and_choices(house: Any) -> None:
    """An unknown path has the platform's own error; a choice nobody offered is refused."""
    node, _ = await house.business()
    alice = await house.person("alice")
    status, told = await house.graph("POST", "me/no_such_thing", token=node["access_token"], json={})
    assert (status, told["error"]["code"]) == (400, 2500)
    content = {"type": "choice", "of": "nothing", "id": "1"}
    status, told = await alice.call("POST", "messages", json={"to": node["handle"], "content": content})
    assert (status, told["error"]["code"]) == (404, "not_found")
