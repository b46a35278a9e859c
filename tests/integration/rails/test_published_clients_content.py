"""Files, reactions, places and second thoughts through published client libraries, unchanged but for the address."""

import asyncio
import hashlib
import json
from typing import Any

import pytest
from fbmessenger import attachments
from instagram_platform import InstagramClient
from instagram_platform.exceptions import InstagramAPIError
from instagram_platform.services.webhooks import parse_webhook_payload, verify_webhook_signature
from pywa.errors import WhatsAppError
from pywa.types import Contact, DeletedMessage, EditedMessage, Message, MessageType

from tests.integration.rails.samples import HTML, JPEG, OGG, PNG
from tests.integration.rails.test_media import show, up
from tests.integration.rails.test_published_clients import Bot, whatsapp_client

THUMB = "\N{THUMBS UP SIGN}"


async def shown(person: Any) -> list[dict[str, Any]]:
    """The content of what came to that person, oldest first."""
    return [message["content"] for message in await person.inbox() if message["direction"] == "in"]


async def test_pywa_sends_content(open_house: Any) -> None:
    """Pictures by link, by bytes and by id, a voice, a place, a card, a reaction there and back; errors with codes."""
    house = await open_house("whatsapp", allow_private_links=True)
    node, shop = await house.business()
    shop.files["/foto.jpg"] = JPEG
    alice = await house.person("alice")
    client, session = whatsapp_client(house, node, waba_id=node["waba_id"])
    to = alice.account["address"]
    await asyncio.to_thread(client.send_image, to=to, image=f"{shop.url}/foto.jpg", caption="Al mare")
    await asyncio.to_thread(client.send_image, to=to, image=PNG, mime_type="image/png")
    media = await asyncio.to_thread(client.upload_media, media=PNG, mime_type="image/png", filename="conto.png")
    await asyncio.to_thread(
        client.send_document, to=to, document=b"Tre caffe", mime_type="text/plain", filename="a.txt"
    )
    await asyncio.to_thread(client.send_voice, to=to, voice=OGG, mime_type="audio/ogg")
    await asyncio.to_thread(client.send_location, to=to, latitude=45.07, longitude=7.69, name="Mole")
    card = Contact(
        name=Contact.Name(formatted_name="Carla Verdi", first_name="Carla"), phones=[Contact.Phone("+39 333")]
    )
    await asyncio.to_thread(client.send_contact, to=to, contact=card)
    found = await shown(alice)
    assert [content["type"] for content in found] == ["image", "image", "document", "voice", "location", "contacts"]
    assert (found[0]["caption"], found[0]["mime"], found[2]["name"]) == ("Al mare", "image/jpeg", "a.txt")
    assert (found[4]["name"], found[5]["cards"][0]["phones"]) == ("Mole", ["+39 333"])
    url = await asyncio.to_thread(client.get_media_url, media.id)
    assert (url.mime_type, url.sha256, url.file_size) == ("image/png", hashlib.sha256(PNG).hexdigest(), len(PNG))
    assert await asyncio.to_thread(client.get_media_bytes, url=url.url) == PNG
    assert (await asyncio.to_thread(client.delete_media, media.id)).success
    with pytest.raises(WhatsAppError):
        await asyncio.to_thread(client.get_media_url, media.id)
    sent = await alice.send(node["handle"], "Grazie")
    await asyncio.to_thread(client.send_reaction, to=to, emoji=THUMB, message_id=sent["native_id"])
    assert (await alice.inbox())[-1]["reactions"] == {node["handle"]: THUMB}
    await asyncio.to_thread(client.remove_reaction, to=to, message_id=sent["native_id"])
    assert (await alice.inbox())[-1]["reactions"] == {}
    with pytest.raises(WhatsAppError) as caught:
        await asyncio.to_thread(client.send_image, to=to, image=f"{shop.url}/none.png")
    assert caught.value.code == 131052
    with pytest.raises(WhatsAppError) as caught:
        await asyncio.to_thread(client.send_image, to=to, image=HTML, mime_type="image/png")
    assert caught.value.code == 131053
    session.close()


async def test_pywa_receives_content(open_house: Any) -> None:
    """Its own handlers parse every kind, download what they are told of, and take reactions, edits and unsends."""
    house = await open_house("whatsapp")
    node, shop = await house.business()
    alice = await house.person("alice")
    client, session = whatsapp_client(house, node, server=None, app_secret=node["app_secret"], waba_id=node["waba_id"])
    got: list[Message] = []
    edited: list[EditedMessage] = []
    deleted: list[DeletedMessage] = []
    client.on_message()(lambda _, message: got.append(message))
    client.on_edited_message()(lambda _, edit: edited.append(edit))
    client.on_deleted_message()(lambda _, message: deleted.append(message))
    to = node["handle"]
    picture = (await up(alice, PNG, "gatto.png"))["media_id"]
    first = await show(alice, to, {"type": "image", "media_id": picture, "caption": "Gatto"})
    await show(alice, to, {"type": "document", "media_id": picture})
    await show(alice, to, {"type": "voice", "media_id": (await up(alice, OGG))["media_id"]})
    await show(alice, to, {"type": "location", "latitude": 45.07, "longitude": 7.69, "name": "Mole"})
    await show(alice, to, {"type": "contacts", "cards": [{"name": "Carla Verdi", "phones": ["+39 333"]}]})
    await show(alice, to, {"type": "poll", "question": "Pizza?", "options": ["Si", "No"]})
    text = await alice.send(to, "Ciaoo", forwarded=1)
    await alice.call("PATCH", f"messages/{text['native_id']}", json={"text": "Ciao"})
    answer = await asyncio.to_thread(client.send_message, to=alice.account["address"], text="Eccomi")
    await alice.call("PUT", f"messages/{answer.id}/reaction", json={"emoji": THUMB})
    await alice.call("DELETE", f"messages/{text['native_id']}")
    await shop.event(lambda e: e.get("messages", [{}])[0].get("type") == "revoke")
    for body, headers in shop.raw:
        assert client.webhook_update_validator(body, headers["X-Hub-Signature-256"]) is None
        assert client.webhook_update_handler(body) == ("ok", 200)
    kinds = [message.type for message in got]
    assert kinds == [
        MessageType.IMAGE,
        MessageType.DOCUMENT,
        MessageType.AUDIO,
        MessageType.LOCATION,
        MessageType.CONTACTS,
        MessageType.UNSUPPORTED,
        MessageType.TEXT,
        MessageType.REACTION,
    ]
    image, document, voice, place, cards, _, words, reaction = got
    assert (image.id, image.caption, image.image.mime_type) == (first["native_id"], "Gatto", "image/png")
    assert await asyncio.to_thread(image.image.get_bytes) == PNG
    assert (document.document.filename, voice.audio.voice) == ("gatto.png", True)
    assert (place.location.name, cards.contacts[0].name.formatted_name) == ("Mole", "Carla Verdi")
    assert (words.forwarded, words.text) == (True, "Ciaoo")
    assert (reaction.reaction.emoji, reaction.reaction.message_id) == (THUMB, answer.id)
    assert [(edit.original_message_id, edit.message.text) for edit in edited] == [(text["native_id"], "Ciao")]
    assert [gone.original_message_id for gone in deleted] == [text["native_id"]]
    session.close()


async def test_fbmessenger_content(open_house: Any) -> None:
    """A picture by link, an upload that is sent by its id; the person's picture and reaction come to its handlers."""
    house = await open_house("messenger", allow_private_links=True)
    node, shop = await house.business()
    shop.files["/foto.jpg"] = JPEG
    bob = await house.person("bob")
    bot = Bot(node, house.url)
    by_link = attachments.Image(url=f"{shop.url}/foto.jpg", is_reusable=True)
    sent = await asyncio.to_thread(bot.client.send, by_link.to_dict(), bob.id)
    assert "message_id" in sent, sent
    uploaded = await asyncio.to_thread(bot.client.upload_attachment, by_link)
    by_id = attachments.Image(attachment_id=uploaded["attachment_id"])
    assert "message_id" in await asyncio.to_thread(bot.client.send, by_id.to_dict(), bob.id)
    assert [content["sha256"] for content in await shown(bob)] == [hashlib.sha256(JPEG).hexdigest()] * 2
    none = attachments.Image(url=f"{shop.url}/none.jpg").to_dict()
    refused = await asyncio.to_thread(bot.client.send, none, bob.id)
    assert (refused["error"]["code"], refused["error"]["error_subcode"]) == (100, 2018008)
    picture = (await up(bob, PNG))["media_id"]
    await show(bob, node["handle"], {"type": "image", "media_id": picture})
    mine = await bob.send(node["handle"], "Bella")
    await bob.call("PUT", f"messages/{sent['message_id']}/reaction", json={"emoji": THUMB})
    reaction = await shop.event(lambda e: "reaction" in e)
    for body, _ in shop.raw:
        bot.handle(json.loads(body))
    (attachment,) = bot.told["message"][0]["message"]["attachments"]
    assert attachment["type"] == "image"
    async with house.http.get(attachment["payload"]["url"]) as answer:
        assert (answer.status, await answer.read()) == (200, PNG)
    assert bot.told["message"][1]["message"]["text"] == "Bella"
    assert reaction["reaction"] == {
        "reaction": "like",
        "emoji": THUMB,
        "action": "react",
        "mid": sent["message_id"],
    }
    assert bot.told["echo"][0]["message"]["attachments"][0]["type"] == "image"
    react = {"sender_action": "react", "payload": {"message_id": mine["native_id"], "reaction": "love"}}
    await asyncio.to_thread(
        bot.client.session.post,
        f"{bot.client.graph_url}/me/messages",
        params=bot.client.auth_args,
        json={"recipient": {"id": bob.id}, **react},
    )
    assert (await bob.inbox())[-1]["reactions"] == {node["handle"]: "\u2764\ufe0f"}


async def test_instagram_platform_sdk_content(open_house: Any) -> None:
    """A picture by link, a heart; the person's album, reaction, edit and unsend come and are parsed."""
    house = await open_house("instagram", allow_private_links=True)
    node, shop = await house.business()
    shop.files["/foto.jpg"] = JPEG
    bob = await house.person("bob")
    with InstagramClient(node["access_token"], node["node_id"], base_url=house.url, max_retries=0) as client:
        sent = await asyncio.to_thread(client.messaging.send_image_message, bob.id, f"{shop.url}/foto.jpg")
        await asyncio.to_thread(client.messaging.send_message, bob.id, {"attachment": {"type": "like_heart"}})
        assert [content["type"] for content in await shown(bob)] == ["image", "like_heart"]
        with pytest.raises(InstagramAPIError) as caught:
            await asyncio.to_thread(client.messaging.send_image_message, bob.id, f"{shop.url}/none.jpg")
        assert (caught.value.code, caught.value.subcode) == (100, 2018008)
        items = [{"type": "image", "media_id": (await up(bob, body))["media_id"]} for body in (PNG, JPEG)]
        await show(bob, node["handle"], {"type": "album", "items": items})
        words = await bob.send(node["handle"], "Ciaoo")
        await bob.call("PATCH", f"messages/{words['native_id']}", json={"text": "Ciao"})
        await bob.call("PUT", f"messages/{sent.message_id}/reaction", json={"emoji": "\u2764\ufe0f"})
        await bob.call("DELETE", f"messages/{words['native_id']}")
        await shop.event(lambda e: e.get("message", {}).get("is_deleted"))
        told: list[dict[str, Any]] = []
        for body, headers in shop.raw:
            assert verify_webhook_signature(body, headers["X-Hub-Signature-256"], node["app_secret"])
            told += parse_webhook_payload(body.decode())["entry"][0]["messaging"]
        (album,) = [e["message"] for e in told if len(e.get("message", {}).get("attachments", ())) == 2]
        for attachment, body in zip(album["attachments"], (PNG, JPEG), strict=True):
            async with house.http.get(attachment["payload"]["url"]) as answer:
                assert await answer.read() == body
        assert [e["message_edit"]["text"] for e in told if "message_edit" in e] == ["Ciao"]
        assert [e["reaction"]["reaction"] for e in told if "reaction" in e] == ["love"]
