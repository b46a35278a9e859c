"""Files over real HTTP: up, sent, described, down, taken back; and what is refused."""

import asyncio
import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData

from tests.integration.rails.conftest import PARTNER_TOKEN, eventually
from tests.integration.rails.samples import GIF, HTML, JPEG, OGG, PDF, PNG, SVG, WEBP, png, wav


async def up(person: Any, body: bytes, name: str = "foto.png") -> dict[str, Any]:
    """The file, uploaded by that person."""
    status, told = await person.call("POST", "media", params={"name": name}, data=body)
    assert status == 201, told
    return told


async def show(person: Any, to: str, content: dict[str, Any]) -> dict[str, Any]:
    """The content, sent."""
    status, sent = await person.call("POST", "messages", json={"to": to, "content": content})
    assert status == 201, sent
    return sent


async def get(house: Any, url: str, token: str | None, method: str = "GET", **more: Any) -> tuple[int, bytes, Any]:
    """What an address answers."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with house.http.request(method, url, headers=headers, **more) as answer:
        return answer.status, await answer.read(), answer.headers


def partner_media(house: Any, event: dict[str, Any]) -> dict[str, Any]:
    """The official part that describes one file in a webhook."""
    if house.name == "whatsapp":
        message = event["messages"][0]
        return {**message[message["type"]], "type": message["type"]}
    (attachment,) = event["message"]["attachments"]
    return {**attachment["payload"], **attachment}


def has_file(house: Any, event: dict[str, Any]) -> bool:
    """Whether a webhook event shows a file."""
    if house.name == "whatsapp":
        return "id" in event.get("messages", [{}])[0].get(event.get("messages", [{}])[0].get("type", ""), {})
    return "attachments" in event.get("message", {})


async def test_a_picture_from_one_to_the_other(house: Any) -> None:
    """Uploaded, sent, described by its bytes; both can fetch it, a stranger cannot; the partner is told all of it."""
    partner = await house.partner()
    alice, bob, carla = [await house.person(who) for who in ("alice", "bob", "carla")]
    await bob.listen()
    told = await up(alice, PNG, "../../etc/mia foto.png")
    sha256 = hashlib.sha256(PNG).hexdigest()
    described = {"kind": "image", "mime": "image/png", "size_bytes": len(PNG), "sha256": sha256, "name": "mia foto.png"}
    assert {name: told[name] for name in described} == described
    media_id = told["media_id"]
    assert (await bob.call("GET", f"media/{media_id}"))[0] == 404
    await show(alice, bob.handle, {"type": "image", "media_id": media_id})
    heard = (await bob.hear("message"))["message"]
    assert (heard["content"]["type"], heard["content"]["sha256"], heard["text"]) == ("image", sha256, "")
    url = f"{house.url}/client/v1/media/{media_id}"
    for person in (alice, bob):
        status, body, headers = await get(house, url, person.token)
        assert (status, body) == (200, PNG)
        assert (headers["Content-Type"], headers["X-Content-Type-Options"]) == ("image/png", "nosniff")
        assert headers["Content-Disposition"] == "inline; filename*=UTF-8''mia%20foto.png"
    status, body, headers = await get(house, url, bob.token, "HEAD")
    assert (status, body, headers["Content-Length"]) == (200, b"", str(len(PNG)))
    async with house.http.get(url, headers={"Authorization": f"Bearer {bob.token}", "Range": "bytes=1-3"}) as part:
        assert (part.status, await part.read()) == (206, b"PNG")
    assert (await get(house, url, carla.token))[0] == 404
    assert (await get(house, url, None))[0] == 401
    media = partner_media(house, await partner.event(lambda e: has_file(house, e)))
    assert media["federation"] == {**described, "animated": False}
    assert (await get(house, media["url"], PARTNER_TOKEN))[:2] == (200, PNG)
    assert (await get(house, media["url"], None))[0] == (401 if house.name == "whatsapp" else 200)
    assert (await get(house, media["url"].replace("hash=", "hash=0"), None))[0] in {401, 404}
    if house.name == "whatsapp":
        assert (media["mime_type"], media["sha256"]) == ("image/png", base64.b64encode(bytes.fromhex(sha256)).decode())
        status, answer = await house.graph("GET", media["id"])
        assert (answer["sha256"], answer["file_size"], answer["mime_type"]) == (sha256, len(PNG), "image/png")
        assert (await get(house, answer["url"], PARTNER_TOKEN))[:2] == (200, PNG)


async def test_one_file_however_often_it_comes(house: Any, tmp_path: Path) -> None:
    """The same bytes are on the disk once; what an unsend leaves behind goes, unless another message shows it."""
    alice, bob = await house.person("alice"), await house.person("bob")
    sent = [
        await show(alice, bob.handle, {"type": "image", "media_id": (await up(alice, PNG))["media_id"]})
        for _ in range(2)
    ]
    folder = tmp_path / house.name / "media"
    kept = [path for path in folder.rglob("*") if path.is_file()]
    assert [path.name for path in kept] == [hashlib.sha256(PNG).hexdigest()]
    assert kept[0].stat().st_mode & 0o077 == 0
    (first, second) = [m["content"]["media_id"] for m in await bob.inbox()]
    await alice.call("DELETE", f"messages/{sent[0]['native_id']}")
    assert (await bob.call("GET", f"media/{first}"))[0] == 404
    assert (await get(house, f"{house.url}/client/v1/media/{second}", bob.token))[1] == PNG
    assert (await bob.inbox())[0]["content"] is None


async def test_a_forwarded_picture_needs_no_upload(house: Any) -> None:
    """Who sees it may send it on; who does not may not name it."""
    alice, bob, carla = [await house.person(who) for who in ("alice", "bob", "carla")]
    media_id = (await up(alice, PNG))["media_id"]
    status, answer = await bob.call(
        "POST", "messages", json={"to": carla.handle, "content": {"type": "image", "media_id": media_id}}
    )
    assert (status, answer["error"]["code"]) == (404, "not_found")
    await show(alice, bob.handle, {"type": "image", "media_id": media_id})
    await show(bob, carla.handle, {"type": "image", "media_id": media_id})
    assert (await get(house, f"{house.url}/client/v1/media/{media_id}", carla.token))[1] == PNG


@pytest.mark.parametrize(("body", "name"), [(HTML, "a.png"), (SVG, "b.png"), (b"#!/bin/sh\n", "c.jpg")])
async def test_a_lie_about_the_type(house: Any, body: bytes, name: str) -> None:
    """It is what its bytes are: no picture, and nothing that a browser would run."""
    alice, bob = await house.person("alice"), await house.person("bob")
    headers = {"Authorization": f"Bearer {alice.token}", "Content-Type": "image/png"}
    url = f"{house.url}/client/v1/media"
    async with house.http.post(url, params={"name": name}, data=body, headers=headers) as answer:
        told = await answer.json()
    assert (answer.status, told["kind"]) == (201, "document")
    status, refused = await alice.call(
        "POST", "messages", json={"to": bob.handle, "content": {"type": "image", "media_id": told["media_id"]}}
    )
    assert (status, refused["error"]["code"]) == (415, "unsupported")
    _, served, sent = await get(house, f"{url}/{told['media_id']}", alice.token)
    assert (served, sent["X-Content-Type-Options"]) == (body, "nosniff")
    assert sent["Content-Disposition"].startswith("attachment")
    assert "sandbox" in sent["Content-Security-Policy"]


async def test_limits_of_size(house: Any) -> None:
    """By kind when it is sent, by the largest kind when it comes; nothing of what was refused stays."""
    alice, bob = await house.person("alice"), await house.person("bob")
    big = png() + bytes(9 * 1024 * 1024)
    media_id = (await up(alice, big))["media_id"]
    status, answer = await alice.call(
        "POST", "messages", json={"to": bob.handle, "content": {"type": "image", "media_id": media_id}}
    )
    assert (status == 201) if house.name == "messenger" else ((status, answer["error"]["code"]) == (413, "too_large"))
    mib = 1024 * 1024

    async def endless() -> Any:
        for _ in range(26):
            yield bytes(mib)

    # Of what a film on WhatsApp may have only the length is told; the others are brought too much.
    told = {"headers": {"Content-Length": str(2000 * mib + 1)}} if house.name == "whatsapp" else {}
    status, answer = await alice.call("POST", "media", data=endless(), **told)
    assert (status, answer["error"]["code"]) == (413, "too_large")
    assert (await alice.call("POST", "media", data=b""))[0] == 400


async def test_kinds_of_each_rail(house: Any) -> None:
    """Voice, sticker, document, album, heart: as each rail has them."""
    alice, bob = await house.person("alice"), await house.person("bob")
    await bob.listen()

    async def attempt(content: dict[str, Any]) -> str:
        status, answer = await alice.call("POST", "messages", json={"to": bob.handle, "content": content})
        if status != 201:
            return str(answer["error"]["code"])
        return str((await bob.hear("message"))["message"]["content"]["type"])

    ogg, webp, pdf = [(await up(alice, body, "x"))["media_id"] for body in (OGG, WEBP, PDF)]
    pictures = [{"type": "image", "media_id": (await up(alice, body))["media_id"]} for body in (PNG, JPEG)]
    assert [
        await attempt({"type": "voice", "media_id": ogg}),
        await attempt({"type": "sticker", "media_id": webp}),
        await attempt({"type": "document", "media_id": pdf, "name": "conto.pdf"}),
        await attempt({"type": "album", "items": pictures}),
        await attempt({"type": "like_heart"}),
        await attempt({"type": "image", "media_id": webp}),
        await attempt({"type": "image", **pictures[0], "caption": "Al mare"}),
    ] == {
        "whatsapp": ["voice", "sticker", "document", "unsupported", "unsupported", "unsupported", "image"],
        "messenger": ["audio", "sticker", "document", "album", "unsupported", "image", "unsupported"],
        "instagram": ["unsupported", "unsupported", "document", "album", "like_heart", "unsupported", "unsupported"],
    }[house.name]


async def test_a_caption_is_text_that_can_be_edited(open_house: Any) -> None:
    """WhatsApp: the caption is the message's text; an edit changes it and leaves the picture."""
    house = await open_house("whatsapp")
    partner = await house.partner()
    alice, bob = await house.person("alice"), await house.person("bob")
    media_id = (await up(alice, PNG))["media_id"]
    sent = await show(alice, bob.handle, {"type": "image", "media_id": media_id, "caption": "Al maare"})
    status, edited = await alice.call("PATCH", f"messages/{sent['native_id']}", json={"text": "Al mare"})
    assert (status, edited["text"], edited["content"]["caption"]) == (200, "Al mare", "Al mare")
    event = await partner.event(lambda e: e.get("messages", [{}])[0].get("type") == "edit")
    inner = event["messages"][0]["edit"]["message"]
    assert (inner["type"], inner["image"]["caption"], inner["image"]["id"]) == ("image", "Al mare", media_id)


async def test_place_and_cards(open_house: Any) -> None:
    """WhatsApp: a location and contact cards, described to people and told to the partner in the official form."""
    house = await open_house("whatsapp")
    partner = await house.partner()
    alice, bob = await house.person("alice"), await house.person("bob")
    place = {"type": "location", "latitude": 45.07, "longitude": 7.69, "name": "Mole", "address": "Torino"}
    await show(alice, bob.handle, place)
    card = {"name": "Carla", "phones": ["+39 333"], "emails": ["carla@example.org"], "organisation": "Forno"}
    await show(alice, bob.handle, {"type": "contacts", "cards": [card]})
    assert [m["content"] for m in await bob.inbox()] == [place, {"type": "contacts", "cards": [card]}]
    location = (await partner.event(lambda e: e.get("messages", [{}])[0].get("type") == "location"))["messages"][0]
    assert location["location"] == {name: place[name] for name in place if name != "type"}
    cards = (await partner.event(lambda e: e.get("messages", [{}])[0].get("type") == "contacts"))["messages"][0]
    (official,) = cards["contacts"]
    assert (official["name"]["formatted_name"], official["phones"][0]["phone"]) == ("Carla", "+39 333")
    body = {"messaging_product": "whatsapp", "to": bob.id, "type": "contacts", "contacts": cards["contacts"]}
    assert (await house.graph("POST", f"{alice.id}/messages", json=body))[0] == 200
    assert (await bob.inbox())[-1]["content"]["cards"] == [card]
    for wrong in ({"latitude": 91, "longitude": 0}, {"latitude": "x", "longitude": 0}, {"latitude": 1}):
        content = {"type": "location", **wrong}
        assert (await alice.call("POST", "messages", json={"to": bob.handle, "content": content}))[0] == 400


def form(house: Any, body: bytes, name: str = "foto.png", mime: str = "image/png") -> tuple[str, FormData]:
    """The official upload of a picture: its edge and its form."""
    data = FormData()
    if house.name == "whatsapp":
        data.add_field("messaging_product", "whatsapp")
        data.add_field("type", mime)
        data.add_field("file", body, filename=name, content_type=mime)
        return "media", data
    data.add_field("message", '{"attachment":{"type":"image","payload":{"is_reusable":true}}}')
    data.add_field("filedata", body, filename=name, content_type=mime)
    return "message_attachments", data


def picture_body(house: Any, to: str, *, media_id: str | None = None, link: str | None = None) -> dict[str, Any]:
    """The official send of a picture."""
    if house.name == "whatsapp":
        part = {"id": media_id} if media_id else {"link": link}
        return {"messaging_product": "whatsapp", "to": to, "type": "image", "image": part}
    payload = {"attachment_id": media_id} if media_id else {"url": link}
    return {"recipient": {"id": to}, "message": {"attachment": {"type": "image", "payload": payload}}}


async def test_the_partner_sends_files_as_anybody(house: Any) -> None:
    """The official upload and send as a ghost; the batch takes ids; a wrong type has the platform's code."""
    await house.partner()
    alice = await house.person("alice")
    body = {"key": "per_1", "name": "Carla", "handle": "elsewhere:carla"}
    ghost = (await house.graph("POST", "federation/ghosts", json=body))[1]
    edge, data = form(house, PNG)
    status, uploaded = await house.graph("POST", f"{ghost['id']}/{edge}", data=data)
    assert status == 200, uploaded
    media_id = uploaded["id" if house.name == "whatsapp" else "attachment_id"]
    part = {
        "method": "POST",
        "path": f"{ghost['id']}/messages",
        "body": picture_body(house, alice.id, media_id=media_id),
    }
    status, answer = await house.graph("POST", "federation/batch", json={"requests": [part]})
    assert answer["responses"][0]["status"] == 200, answer
    (shown,) = await alice.inbox()
    assert (shown["from"], shown["content"]["mime"]) == (ghost["handle"], "image/png")
    assert (await get(house, f"{house.url}/client/v1/media/{media_id}", alice.token))[1] == PNG
    edge, data = form(house, HTML)
    status, refused = await house.graph("POST", f"{ghost['id']}/{edge}", data=data)
    if house.name == "whatsapp":
        assert status == 200  # as a document it could be sent
    else:
        assert (status, refused["error"]["code"], refused["error"]["error_subcode"]) == (400, 100, 2018047)
    status, refused = await house.graph(
        "POST", f"{ghost['id']}/messages", json=picture_body(house, alice.id, media_id="1")
    )
    assert refused["error"]["code"] == (131009 if house.name == "whatsapp" else 100)


async def test_links_are_fetched_from_public_addresses_only(house: Any) -> None:
    """This machine's own addresses, other schemes and credentials are refused with the platform's code."""
    node, shop = await house.business()
    alice = await house.person("alice")
    shop.files["/foto.png"] = PNG
    links = (
        f"{shop.url}/foto.png",
        shop.url.replace("127.0.0.1", "localhost") + "/foto.png",
        shop.url.replace("127.0.0.1", "[::1]") + "/foto.png",
        shop.url.replace("127.0.0.1", "2130706433") + "/foto.png",
        "file:///etc/passwd",
        "http://user:secret@example.org/foto.png",
        "http://",
        "x" * 3000,
    )
    for link in links:
        body = picture_body(house, alice.id, link=link)
        path = f"{node['node_id']}/messages"
        status, answer = await house.graph("POST", path, token=node["access_token"], json=body)
        expected = 131052 if house.name == "whatsapp" else 100
        assert (status, answer["error"]["code"]) == (400, expected), link
        status, _ = await house.graph("POST", path, token="nobody's", json=body)
        assert status == 401
    assert shop.fetched == []


async def test_links_where_they_are_allowed(open_house: Any) -> None:
    """Redirects are followed, three at most; too much, too late and nothing there are said."""
    house = await open_house("whatsapp", allow_private_links=True)
    node, shop = await house.business()
    alice = await house.person("alice")
    shop.files |= {"/foto.png": PNG, "/big.png": PNG + bytes(6 * 1024 * 1024), "/page": HTML}
    shop.redirects |= {"/moved": "/foto.png", "/round": "/round", "/away": "ftp://example.org/x"}

    async def send(path: str) -> int:
        body = picture_body(house, alice.id, link=shop.url + path)
        status, answer = await house.graph("POST", f"{node['node_id']}/messages", token=node["access_token"], json=body)
        return status if status == 200 else int(answer["error"]["code"])

    found = [await send(path) for path in ("/foto.png", "/moved", "/big.png", "/page", "/none", "/round", "/away")]
    assert found == [200, 200, 131053, 131053, 131052, 131052, 131052]
    (first, second) = [m["content"] for m in await alice.inbox()]
    assert (first["sha256"], first["name"]) == (second["sha256"], "foto.png")


async def test_broken_forms(house: Any) -> None:
    """Refused with the platform's error, and the rail goes on."""
    node, _ = await house.business()
    edge, _ = form(house, PNG)
    url = f"{node['node_id']}/{edge}"
    bodies = (
        (b"", "multipart/form-data; boundary=x"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
        (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc',
            "multipart/form-data; boundary=x",
        ),
        (b"--x\r\n\r\n\r\n--x--\r\n", "multipart/form-data"),
        (b"\xff" * 500, "multipart/form-data; boundary=x"),
        (
            b'--x\r\nContent-Disposition: form-data; name="type"\r\n\r\n\xff\xfe\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
        ),
        (
            b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\na\r\n--y--\r\n--x--\r\n",
            "multipart/form-data; boundary=x",
        ),
    )
    for body, kind in bodies:
        status, answer = await house.graph(
            "POST", url, token=node["access_token"], data=body, headers={"Content-Type": kind}
        )
        assert 400 <= status < 500, (body, answer)
    edge, data = form(house, PNG)
    assert (await house.graph("POST", url, token="nobody's", data=data))[0] == 401
    edge, data = form(house, PNG)
    assert (await house.graph("POST", url, token=node["access_token"], data=data))[0] == 200


async def test_a_page_sends_a_file_along(house: Any) -> None:
    """Messenger and Instagram: the message and the file in one form."""
    if house.name == "whatsapp":
        return
    node, _ = await house.business()
    alice = await house.person("alice")
    data = FormData()
    data.add_field("recipient", json.dumps({"id": alice.id}))
    data.add_field("message", '{"attachment":{"type":"audio","payload":{}}}')
    data.add_field("filedata", wav(), filename="suono.wav", content_type="application/x-nonsense")
    path = f"{node['node_id']}/messages?access_token={node['access_token']}"
    status, answer = await house.graph("POST", path, token="", data=data)
    assert status == 200, answer
    (shown,) = await alice.inbox()
    assert (shown["content"]["type"], shown["content"]["mime"], shown["content"]["name"]) == (
        "audio",
        "audio/wav",
        "suono.wav",
    )


async def test_a_broken_upload_leaves_nothing(house: Any, tmp_path: Path) -> None:
    """A client that goes away half-way: no file, no row, and the next one is served."""
    alice = await house.person("alice")
    _, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rpartition(":")[2]))
    writer.write(
        b"POST /client/v1/media HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
        + alice.token.encode()
        + b"\r\nContent-Length: 1000000\r\n\r\n"
        + PNG
    )
    await writer.drain()
    folder = tmp_path / house.name / "media"

    async def files() -> list[Path]:
        return [path for path in folder.rglob("*") if path.is_file()]

    await eventually(files)
    writer.close()

    async def none() -> bool:
        return not await files()

    await eventually(none)
    assert (await up(alice, GIF))["mime"] == "image/gif"


@pytest.mark.parametrize("depth", [30, 400, 900, 990, 5000, 200_000])
async def test_deep_bodies_of_content(open_house: Any, depth: int) -> None:
    """However deep it is nested, it is refused, in whatever part of the body it stands."""
    house = await open_house("whatsapp")
    node, _ = await house.business()
    alice = await house.person("alice")
    deep = "[" * depth + "]" * depth
    envelope = f'"messaging_product":"whatsapp","to":"{alice.id}"'
    for part in (
        f'"type":"contacts","contacts":[{{"name":{{"formatted_name":"x"}},"urls":{deep}}}]',
        f'"type":"image","image":{{"link":"http://127.0.0.1:1/x","caption":{deep}}}',
        f'"type":"location","location":{{"latitude":1,"longitude":2,"name":{deep}}}',
    ):
        headers = {"Content-Type": "application/json"}
        body = "{" + envelope + "," + part + "}"
        path = f"{node['node_id']}/messages"
        status, answer = await house.graph("POST", path, token=node["access_token"], data=body, headers=headers)
        assert status == 400, (part[:40], answer)
    card = f'{{"name":"x","official":{{"a":{deep}}}}}'
    content = f'{{"to":"{node["handle"]}","content":{{"type":"contacts","cards":[{card}]}}}}'
    assert (await alice.call("POST", "messages", data=content))[0] == 400
    assert (await alice.inbox()) == []
