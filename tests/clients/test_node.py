"""Clients for Node, unchanged but for the address: every call is taken, and the person's phone shows what it sent."""

from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import PNG, run

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]


@pytest.mark.parametrize("client", ["kapso", "whatsapp-api-js", "great-detail"])
async def test_whatsapp(node_clients: Path, open_house: Any, client: str) -> None:
    """Texts, answers, files, places, cards, reactions, choices, templates, typing and read receipts."""
    house = await open_house("whatsapp")
    node, _ = await house.business()
    alice = await house.person("alice")
    first = await alice.send(node["handle"], "hello shop")
    told = await run(node_clients, client, house, node, person=alice.id, message=first["native_id"])
    assert [f"{call}: {answer}" for call, answer in told.items() if isinstance(answer, str)] == []

    shown = {one["native_id"]: one for one in await alice.inbox()}
    assert shown[first["native_id"]]["status"] == "read"
    assert shown[first["native_id"]]["reactions"] == {node["handle"]: "\N{THUMBS UP SIGN}"}
    by_call = {call: shown[answer["messages"][0]["id"]] for call, answer in told.items() if _is_shown(call, answer)}
    assert by_call["text"]["text"] == f"from {client}"
    assert by_call["reply"]["reply_to"] == first["native_id"]
    assert by_call["location"]["content"]["name"] == "Harbour"
    if "download" in told:
        assert by_call["image"]["text"] == "a photo"
        assert told["download"] == {"bytes": len(PNG)}
        assert by_call["contacts"]["content"]["cards"][0]["name"] == "Carla"
        assert by_call["buttons"]["content"]["choices"][0]["title"] == "A"


def _is_shown(call: str, answer: Any) -> bool:
    return call != "reaction" and isinstance(answer, dict) and bool(answer.get("messages"))


@pytest.mark.parametrize("rail", ["messenger", "instagram"])
async def test_messaging_api_messenger(node_clients: Path, open_house: Any, rail: str) -> None:
    """Texts, choices, templates, files, typing, read receipts, profiles and batches."""
    house = await open_house(rail)
    node, _ = await house.business()
    alice = await house.person("alice")
    first = await alice.send(node["handle"], "hello shop")
    told = await run(node_clients, "messaging-api-messenger", house, node, person=alice.id, message=first["native_id"])
    assert [f"{call}: {answer}" for call, answer in told.items() if isinstance(answer, str)] == []

    inbox = await alice.inbox()
    assert inbox[0]["status"] == "read"
    texts = [one["text"] for one in inbox]
    assert {"from messaging-api-messenger", "first", "second"} <= set(texts)
    assert texts.index("first") < texts.index("second")
    assert sum((one["content"] or {}).get("type") == "image" for one in inbox) == 2
    assert [code["code"] for code in told["batch"]] == [200, 200]
