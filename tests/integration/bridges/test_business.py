"""A business with nothing but the platform's own API, and somebody on another rail: everything goes both ways."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from tests.integration.bridges.conftest import RAILS, Phone, World
from tests.integration.rails.conftest import House, Receiver
from tests.integration.rails.samples import PNG
from tests.integration.rails.test_media import form, picture_body
from tests.must import eventually


@pytest.fixture
async def open_receiver() -> AsyncIterator[Any]:
    """Opens the webhook of a business."""
    runners: list[web.AppRunner] = []

    async def open_one(secret: str, verify_token: str) -> Receiver:
        receiver = Receiver(secret, verify_token)
        app = web.Application()
        app.router.add_get("/hook", receiver.on_get)
        app.router.add_post("/hook", receiver.on_post)
        runners.append(web.AppRunner(app, shutdown_timeout=1))
        await runners[-1].setup()
        await web.TCPSite(runners[-1], "127.0.0.1", 0).start()
        receiver.url = f"http://127.0.0.1:{runners[-1].addresses[0][1]}"
        return receiver

    yield open_one
    for runner in runners:
        await runner.cleanup()


def wrote(event: dict[str, Any], text: str) -> dict[str, str]:
    """Who wrote that text to the business, and the message's id; empty when it is something else."""
    for message in event.get("messages", []):
        if message.get("text", {}).get("body") == text:
            return {"from": message["from"], "id": message["id"]}
    message = event.get("message", {})
    if message.get("text") == text and not message.get("is_echo"):
        return {"from": event["sender"]["id"], "id": message["mid"]}
    return {}


def reacted(event: dict[str, Any]) -> str:
    """The emoji of a reaction, in either platform's form."""
    reaction = next((one["reaction"] for one in event.get("messages", []) if "reaction" in one), event.get("reaction"))
    return str((reaction or {}).get("emoji", ""))


def reaction_body(rail: str, to: str, native_id: str) -> dict[str, Any]:
    """The official reaction."""
    if rail == "whatsapp":
        reaction = {"message_id": native_id, "emoji": "❤️"}
        return {"messaging_product": "whatsapp", "to": to, "type": "reaction", "reaction": reaction}
    payload = {"message_id": native_id, "reaction": "love"}
    return {"recipient": {"id": to}, "sender_action": "react", "payload": payload}


@pytest.mark.parametrize("rail", RAILS)
async def test_a_business_and_somebody_on_another_rail(world: World, open_receiver: Any, rail: str) -> None:
    """Bob asks, is answered with words, a picture and a heart, and reacts; each in the platform's own form."""
    other = "messenger" if rail == "instagram" else "instagram"
    await world.start(rail, other)
    house = House(rail, world.rails[rail], world.http, open_receiver)
    shop, webhook = await house.business()
    bob = await world.register(other, "bob")
    question = await bob.send(shop["handle"], "Are you open?")
    asked = wrote(await webhook.event(lambda event: wrote(event, "Are you open?")), "Are you open?")

    async def says(path: str, **more: Any) -> dict[str, Any]:
        status, answer = await house.graph("POST", f"{shop['node_id']}/{path}", token=shop["access_token"], **more)
        assert status == 200, answer
        return dict(answer)

    answering = {"context": {"message_id": asked["id"]}} if rail == "whatsapp" else {"reply_to": {"mid": asked["id"]}}
    await says("messages", json={**house.text_body(asked["from"], "Until eight."), **answering})
    edge, data = form(house, PNG)
    uploaded = await says(edge, data=data)
    media_id = uploaded["id" if rail == "whatsapp" else "attachment_id"]
    await says("messages", json=picture_body(house, asked["from"], media_id=media_id))
    await says("messages", json=reaction_body(rail, asked["from"], asked["id"]))
    answer = await answered(bob, shop["handle"], question)
    status, _ = await bob.call("PUT", f"messages/{answer}/reaction", json={"emoji": "👍"})
    assert status == 200
    assert reacted(await webhook.event(lambda event: reacted(event) == "👍")) == "👍"


async def answered(bob: Phone, shop: str, question: str) -> str:
    """Bob sees the answer to his question, the picture and the heart; the answer's native id."""

    async def there() -> str:
        mine, answer, picture = await bob.inbox(shop)
        assert (mine["native_id"], mine["reactions"]) == (question, {shop: "❤️"})
        assert (answer["text"], answer["reply_to"], answer["from"]) == ("Until eight.", question, shop)
        assert picture["content"]["sha256"] == hashlib.sha256(PNG).hexdigest()
        return str(answer["native_id"])

    async def all_three() -> str:
        assert len(await bob.inbox(shop)) == 3
        return await there()

    return await eventually(all_three)
