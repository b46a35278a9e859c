"""Published client libraries, unchanged but for the address, against the bundled rails.

Each sends as a business to a person, the person answers, the business receives it on a signed webhook that the
library itself verifies and parses (where it has the means), and marks it read; the person sees that.
"""

import asyncio
import hashlib
import hmac
import json
from typing import Any

import fbmessenger
import httpx
import pytest
from fbmessenger import sender_actions
from fbmessenger.elements import Text
from instagram_platform import InstagramClient
from instagram_platform.exceptions import InstagramAPIError, InstagramAuthError
from instagram_platform.services.webhooks import parse_webhook_payload, verify_webhook_signature
from pywa import WhatsApp
from pywa.errors import WhatsAppError
from pywa.types import Message, MessageStatus
from pywa.types.message_status import MessageStatusType


def whatsapp_client(house: Any, node: dict[str, Any], **more: Any) -> tuple[WhatsApp, httpx.Client]:
    """A pywa client whose session goes to the rail."""
    session = httpx.Client()
    client = WhatsApp(phone_id=node["node_id"], token=node["access_token"], session=session, **more)
    session.base_url = str(session.base_url).replace("https://graph.facebook.com", house.url)
    return client, session


async def test_pywa(open_house: Any) -> None:
    """The client sends, is answered, verifies, parses into own types, types, marks as read, and sees each status."""
    house = await open_house("whatsapp")
    node, shop = await house.business()
    alice = await house.person("alice")
    client, session = whatsapp_client(house, node, server=None, app_secret=node["app_secret"], waba_id=node["waba_id"])
    got: asyncio.Queue[Message] = asyncio.Queue()
    statuses: asyncio.Queue[MessageStatus] = asyncio.Queue()
    client.on_message()(lambda _, message: got.put_nowait(message))
    client.on_message_status()(lambda _, status: statuses.put_nowait(status))
    await alice.listen()

    sent = await asyncio.to_thread(
        client.send_message, to=alice.account["address"], text="Benvenuta \N{PARTY POPPER}", tracker="order-1"
    )
    heard = (await alice.hear("message"))["message"]
    assert (heard["text"], heard["native_id"]) == ("Benvenuta \N{PARTY POPPER}", sent.id)
    await alice.call("POST", "read", json={"with": node["handle"]})
    await alice.send(node["handle"], "Grazie \N{SMILING FACE WITH OPEN MOUTH}", reply_to=sent.id)
    await shop.event(lambda event: event.get("messages"))
    await shop.event(lambda event: event.get("statuses", [{}])[0].get("status") == "read")
    for body, headers in shop.raw:
        assert client.webhook_update_validator(body, headers["X-Hub-Signature-256"]) is None
        assert client.webhook_update_validator(body + b" ", headers["X-Hub-Signature-256"]) is not None
        assert client.webhook_update_handler(body) == ("ok", 200)
    message = got.get_nowait()
    assert (message.text, message.from_user.wa_id, message.from_user.name) == (
        "Grazie \N{SMILING FACE WITH OPEN MOUTH}",
        alice.id,
        "Alice",
    )
    assert message.reply_to_message is not None
    assert message.reply_to_message.id == sent.id
    seen = [statuses.get_nowait() for _ in range(statuses.qsize())]
    assert [status.status for status in seen] == [
        MessageStatusType.SENT,
        MessageStatusType.DELIVERED,
        MessageStatusType.READ,
    ]
    assert {(status.id, status.tracker, status.from_user.wa_id) for status in seen} == {(sent.id, "order-1", alice.id)}
    assert (await asyncio.to_thread(message.indicate_typing)).success
    assert (await alice.hear("typing"))["by"] == node["handle"]
    assert (await asyncio.to_thread(message.mark_as_read)).success
    (mine,) = [m for m in await alice.inbox() if m["direction"] == "out"]
    assert (mine["status"], mine["read"]) == ("read", True)
    answer = await asyncio.to_thread(message.reply, "A presto")
    assert (await alice.inbox())[-1]["native_id"] == answer.id
    session.close()


async def test_pywa_profile_blocks_webhooks_and_errors(open_house: Any) -> None:
    """The rest of the library's calls that this service has."""
    house = await open_house("whatsapp")
    node, shop = await house.business()
    alice = await house.person("alice")
    client, session = whatsapp_client(house, node, waba_id=node["waba_id"])
    number = await asyncio.to_thread(client.get_business_phone_number)
    assert (number.id, number.verified_name) == (node["node_id"], "Corner Shop")
    numbers = await asyncio.to_thread(lambda: list(client.get_business_phone_numbers()))
    assert [found.id for found in numbers] == [node["node_id"]]
    assert (await asyncio.to_thread(client.update_business_profile, about="Open daily")).success
    assert (await asyncio.to_thread(client.get_business_profile)).about == "Open daily"
    result = await asyncio.to_thread(client.send_message, to=alice.account["address"], text="hi")
    bsuid = (await shop.event(lambda e: e.get("statuses")))["contacts"][0]["user_id"]
    by_user_id = await asyncio.to_thread(client.send_message, to=bsuid, text="hi again")
    assert result.chat.id == by_user_id.chat.id == alice.id
    blocked = await asyncio.to_thread(client.block_users, [alice.id])
    assert [user.wa_id for user in blocked.added_users] == [alice.id]
    status, answer = await alice.call("POST", "messages", json={"to": node["handle"], "text": "x"})
    assert (status, answer["error"]["code"]) == (403, "recipient_unavailable")
    assert [user.wa_id for user in await asyncio.to_thread(lambda: list(client.get_blocked_users()))] == [alice.id]
    await asyncio.to_thread(client.unblock_users, [alice.id])
    await alice.send(node["handle"], "again")
    with pytest.raises(WhatsAppError) as caught:
        await asyncio.to_thread(client.send_message, to="+393330000000", text="nobody")
    assert caught.value.code == 131026
    other = await house.receiver(node["app_secret"], "another")
    hook = f"{other.url}/hook"
    override = client.api.set_phone_alternate_callback_url
    assert (await asyncio.to_thread(override, hook, "another", node["node_id"]))["success"]
    await alice.send(node["handle"], "to the new address")
    await other.event(lambda event: house.received(event, "to the new address"))
    token = await asyncio.to_thread(client.api.get_app_access_token, int(node["app_id"]), node["app_secret"])
    subscribe = client.api.set_app_callback_url
    args = (node["app_id"], token["access_token"], f"{shop.url}/hook", "shop-token", ("messages",))
    assert (await asyncio.to_thread(subscribe, *args))["success"]
    apps = await asyncio.to_thread(client.api.get_waba_subscribed_apps, node["waba_id"])
    assert apps["data"][0]["override_callback_uri"] == f"{shop.url}/hook"
    session.close()


class Bot(fbmessenger.BaseMessenger):
    """A bot as the library's readme has it; it keeps what it is told."""

    def __init__(self, node: dict[str, Any], url: str) -> None:
        super().__init__(node["access_token"], app_secret=node["app_secret"])
        self.client.graph_url = f"{url}/v2.12"
        self.told: dict[str, list[dict[str, Any]]] = {}

    def _keep(self, kind: str, message: dict[str, Any]) -> None:
        self.told.setdefault(kind, []).append(message)

    def message(self, message: dict[str, Any]) -> None:
        self._keep("echo" if message["message"].get("is_echo") else "message", message)

    def delivery(self, message: dict[str, Any]) -> None:
        self._keep("delivery", message)

    def read(self, message: dict[str, Any]) -> None:
        self._keep("read", message)

    def account_linking(self, message: dict[str, Any]) -> None:
        raise NotImplementedError

    def optin(self, message: dict[str, Any]) -> None:
        raise NotImplementedError

    def postback(self, message: dict[str, Any]) -> None:
        raise NotImplementedError


async def test_fbmessenger(open_house: Any) -> None:
    """The client sends with an appsecret_proof, its handlers get the answer and the receipts, it marks as seen."""
    house = await open_house("messenger")
    node, shop = await house.business()
    bob = await house.person("bob")
    await bob.listen()
    bot = Bot(node, house.url)
    sent = await asyncio.to_thread(bot.client.send, Text(text="Welcome").to_dict(), bob.id)
    assert sent["recipient_id"] == bob.id
    assert (await bob.hear("message"))["message"]["native_id"] == sent["message_id"]
    await bob.call("POST", "read", json={"with": node["handle"]})
    await bob.send(node["handle"], "Grazie \N{GRINNING FACE}")
    await shop.event(lambda event: "read" in event)
    await shop.event(lambda event: house.received(event, "Grazie \N{GRINNING FACE}"))
    for body, headers in shop.raw:
        # The library has no verifier of its own; this is the platform's rule.
        signature = hmac.new(node["app_secret"].encode(), body, hashlib.sha256).hexdigest()
        assert headers["X-Hub-Signature-256"] == f"sha256={signature}"
        bot.handle(json.loads(body))
    assert bot.told["echo"][0]["message"]["mid"] == sent["message_id"]
    assert bot.told["delivery"][0]["delivery"]["mids"] == [sent["message_id"]]
    assert bot.told["read"][0]["read"]["watermark"] == bot.told["echo"][0]["timestamp"]
    (answer,) = bot.told["message"]
    assert (answer["message"]["text"], answer["sender"]["id"]) == ("Grazie \N{GRINNING FACE}", bob.id)
    bot.last_message = answer
    user = await asyncio.to_thread(bot.get_user)
    assert (user["first_name"], user["id"]) == ("Bob", bob.id)
    typing = sender_actions.SenderAction(sender_action="typing_on").to_dict()
    assert (await asyncio.to_thread(bot.send_action, typing)) == {"recipient_id": bob.id}
    assert (await bob.hear("typing"))["on"] is True
    assert (await asyncio.to_thread(bot.send_action, "mark_seen")) == {"recipient_id": bob.id}
    (mine,) = [m for m in await bob.inbox() if m["direction"] == "out"]
    assert (mine["status"], mine["read"]) == ("read", True)
    assert (await asyncio.to_thread(bot.subscribe_app_to_page))["success"]
    assert await asyncio.to_thread(bot.set_messenger_profile, {"greeting": [{"locale": "default", "text": "hi"}]})
    assert (await asyncio.to_thread(bot.delete_get_started))["result"] == "success"
    refused = await asyncio.to_thread(bot.client.send, Text(text="x").to_dict(), "1")
    assert (refused["error"]["code"], refused["error"]["error_subcode"]) == (100, 2018001)


async def test_instagram_platform_sdk(open_house: Any) -> None:
    """The client sends in the Facebook-login shape, verifies and parses the answer, marks it as seen."""
    house = await open_house("instagram")
    node, shop = await house.business()
    bob = await house.person("bob")
    await bob.listen()
    with InstagramClient(node["access_token"], node["node_id"], base_url=house.url, max_retries=0) as client:
        sent = await asyncio.to_thread(client.messaging.send_message, bob.id, "Welcome")
        assert sent.recipient_id == bob.id
        assert (await bob.hear("message"))["message"]["native_id"] == sent.message_id
        await bob.call("POST", "read", json={"with": node["handle"]})
        await bob.send(node["handle"], "Grazie \N{GRINNING FACE}")
        read = await shop.event(lambda event: "read" in event)
        assert read["read"]["mid"] == sent.message_id
        await shop.event(lambda event: house.received(event, "Grazie \N{GRINNING FACE}"))
        told = []
        for body, headers in shop.raw:
            assert verify_webhook_signature(body, headers["X-Hub-Signature-256"], node["app_secret"])
            assert not verify_webhook_signature(body + b" ", headers["X-Hub-Signature-256"], node["app_secret"])
            told += parse_webhook_payload(body.decode())["entry"][0]["messaging"]
        assert any(event.get("message", {}).get("mid") == sent.message_id for event in told)
        user = await asyncio.to_thread(client.messaging.get_user_profile, bob.id)
        assert (user.id, user.username, user.name) == (bob.id, "bob", "Bob")
        seen = {"recipient": {"id": bob.id}, "sender_action": "mark_seen"}
        path = f"/{node['node_id']}/messages"
        answer = await asyncio.to_thread(lambda: client.http.request_sync("POST", path, json_data=seen))
        assert answer == {"recipient_id": bob.id}
        (mine,) = [m for m in await bob.inbox() if m["direction"] == "out"]
        assert (mine["status"], mine["read"]) == ("read", True)
        profile = await asyncio.to_thread(client.user.get_profile)
        assert (profile.id, profile.name) == (node["node_id"], "Corner Shop")
        (conversation,) = (await asyncio.to_thread(client.messaging.get_conversations)).data
        assert conversation.messages is not None
        assert [m["message"] for m in conversation.messages["data"]] == ["Grazie \N{GRINNING FACE}", "Welcome"]
        one = await asyncio.to_thread(client.messaging.get_conversation_messages, conversation.id)
        assert one.messages == conversation.messages
        await asyncio.to_thread(client.messaging.set_messenger_profile, {"ice_breakers": []})
        with pytest.raises(InstagramAPIError) as caught:
            await asyncio.to_thread(client.messaging.send_message, "1", "x")
        assert (caught.value.code, caught.value.subcode) == (100, 2534014)
        client.http.set_access_token("expired")
        with pytest.raises(InstagramAuthError):
            await asyncio.to_thread(client.user.get_profile)
