"""Files, places, cards and polls across rails, through real bridges and the bus's object store."""

import asyncio
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from bus import subjects
from bus.connection import Connection
from tests.integration.bridges.conftest import Phone, World, handle
from tests.integration.rails.samples import MP4, OGG, PDF, PNG, WEBP, WEBP_ANIMATED, png
from tests.must import eventually

ALICE, BOB = handle("whatsapp", "alice"), handle("instagram", "bob")
STREAM = subjects.object_stream(subjects.MEDIA)


async def up(phone: Phone, body: Any, name: str = "photo.png") -> dict[str, Any]:
    """An uploaded file."""
    status, told = await phone.call("POST", "media", params={"name": name}, data=body)
    assert status == 201, told
    return dict(told)


async def show(phone: Phone, to: str, content: dict[str, Any], **more: Any) -> str:
    """Content, sent; its native id. While the address is new and the bridge away, again."""

    async def sent() -> str:
        status, answer = await phone.call("POST", "messages", json={"to": to, "content": content, **more})
        assert status in {200, 201}, answer
        return str(answer["native_id"])

    return await eventually(sent)


async def got(phone: Phone, peer: str, count: int = 1) -> list[dict[str, Any]]:
    """So many messages, once they are there."""

    async def there() -> list[dict[str, Any]]:
        found = await phone.inbox(peer)
        assert len(found) == count, found
        return found

    return await eventually(there)


async def bytes_of(phone: Phone, media_id: str) -> bytes:
    """A file, as the app downloads it."""
    headers = {"Authorization": f"Bearer {phone.token}"}
    async with phone.http.get(f"{phone.url}/client/v1/media/{media_id}", headers=headers) as answer:
        assert answer.status == 200
        return await answer.read()


async def stored(admin: Connection) -> int:
    """How many files the bus keeps."""
    state = (await admin.api(f"STREAM.INFO.{STREAM}", {"subjects_filter": f"$O.{subjects.MEDIA}.M.*"}))["state"]
    return len(state.get("subjects") or {})


@pytest.fixture
async def two(world: World) -> tuple[Phone, Phone]:
    """Alice on WhatsApp, Bob on Instagram."""
    await world.start("whatsapp", "instagram")
    return await world.register("whatsapp", "alice"), await world.register("instagram", "bob")


@pytest.mark.thread("mautrix/signal#330")
async def test_mautrix_signal_330_a_photo_with_words_arrives_and_stays_one(two: tuple[Phone, Phone]) -> None:
    """Instagram has no captions: two messages there, and a reaction to either means the photo."""
    alice, bob = two
    file = await up(alice, PNG)
    await show(alice, BOB, {"type": "image", "media_id": file["media_id"], "caption": "look"})
    photo, words = await got(bob, ALICE, 2)
    assert (photo["content"]["type"], photo["content"]["sha256"]) == ("image", file["sha256"])
    assert await bytes_of(bob, photo["content"]["media_id"]) == PNG
    assert words["text"] == "look"
    for part, emoji in ((photo, "👍"), (words, "🎉")):
        status, _ = await bob.call("PUT", f"messages/{part['native_id']}/reaction", json={"emoji": emoji})
        assert status == 200

        async def reacted(expected: str = emoji) -> None:
            (mine,) = await alice.inbox(BOB)
            assert mine["reactions"] == {BOB: expected}

        await eventually(reacted)


async def test_the_order_of_a_thread_survives_slow_files(two: tuple[Phone, Phone]) -> None:
    """What is written after a photo does not overtake it while it is fetched."""
    alice, bob = two
    file = await up(alice, os.urandom(3_000_000), "noise.bin")
    await show(alice, BOB, {"type": "document", "media_id": file["media_id"]})
    for number in range(5):
        await alice.send(BOB, f"then {number}")
    found = await got(bob, ALICE, 6)
    assert [one["text"] for one in found[1:]] == [f"then {number}" for number in range(5)]


async def test_each_kind_goes_there_and_back(world: World, two: tuple[Phone, Phone]) -> None:
    """Natively where the rail has it, as the next best thing where not."""
    alice, bob = two
    del world
    voice, sticker, film = await up(alice, OGG, "v.ogg"), await up(alice, WEBP, "s.webp"), await up(alice, MP4, "f.mp4")
    await show(alice, BOB, {"type": "voice", "media_id": voice["media_id"]})
    await show(alice, BOB, {"type": "sticker", "media_id": sticker["media_id"]})
    await show(alice, BOB, {"type": "video", "media_id": film["media_id"]})
    await show(alice, BOB, {"type": "location", "latitude": 45.46, "longitude": 9.19, "name": "Duomo"})
    await show(alice, BOB, {"type": "contacts", "cards": [{"name": "Carla Verdi", "phones": ["+393336667777"]}]})
    found = await got(bob, ALICE, 5)
    assert "v.ogg" in found[0]["text"]
    assert "s.webp" in found[1]["text"]
    assert "/media/" in found[0]["text"]
    assert found[2]["content"]["type"] == "video"
    assert "Duomo" in found[3]["text"]
    assert "Carla Verdi" in found[4]["text"]
    paper = await up(bob, PDF, "a.pdf")
    await show(bob, ALICE, {"type": "document", "media_id": paper["media_id"]})
    await show(bob, ALICE, {"type": "like_heart"})
    mine = await got(alice, BOB, 7)
    assert (mine[5]["content"]["type"], mine[5]["content"]["name"]) == ("document", "a.pdf")
    assert mine[6]["text"] == "❤️"


async def test_a_link_leads_to_the_file(world: World, two: tuple[Phone, Phone]) -> None:
    """Signed: whoever changes it gets nothing. Never something that a browser runs."""
    alice, bob = two
    voice = await up(alice, OGG, "v.ogg")
    await show(alice, BOB, {"type": "voice", "media_id": voice["media_id"]})
    (found,) = await got(bob, ALICE)
    link = found["text"].split(": ")[-1]
    async with world.http.get(link) as answer:
        assert answer.status == 200
        assert await answer.read() == OGG
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert "sandbox" in answer.headers["Content-Security-Policy"]
    async with world.http.head(link) as answer:
        assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(OGG)))
    for wrong in (link.replace("exp=1", "exp=2"), link[:-1] + ("0" if link[-1] != "0" else "1")):
        async with world.http.get(wrong) as answer:
            assert answer.status == 403


async def test_the_same_photo_to_ten_people_is_one_file(world: World, admin: Connection) -> None:
    """Kept once on the bus, uploaded once to the other rail, fetched once from this one."""
    await world.start("whatsapp", "instagram")
    alice = await world.register("whatsapp", "alice")
    people = [await world.register_as("instagram", f"@friend{number}", name=f"Friend {number}") for number in range(10)]
    for number, friend in enumerate(people):
        file = await up(alice, PNG)
        await show(alice, friend.handle, {"type": "image", "media_id": file["media_id"]})
        del number
    shown = {(await got(friend, ALICE))[0]["content"]["sha256"] for friend in people}
    assert shown == {hashlib.sha256(PNG).hexdigest()}
    assert await stored(admin) == 1
    assert await world.uploads("instagram") == 1


async def test_a_bridge_that_was_killed_goes_on_with_its_files(world: World) -> None:
    """``kill -9`` while files are on their way: nothing is lost, nothing comes twice."""
    await world.start_rails("whatsapp", "instagram")
    await world.start_router()
    process = await world.start_process("whatsapp")
    await world.start_bridge("instagram")
    alice, bob = await world.register("whatsapp", "alice"), await world.register("instagram", "bob")
    await alice.send(BOB, "first")
    await bob.has(ALICE, "first")
    for number in range(8):
        file = await up(alice, png(number) + os.urandom(400_000))
        await show(alice, BOB, {"type": "image", "media_id": file["media_id"]})
    await process.kill()
    await process.start()
    found = await got(bob, ALICE, 9)
    digests = [one["content"]["sha256"] for one in found[1:]]
    assert len(set(digests)) == 8


@pytest.mark.thread("mautrix/meta#142")
async def test_mautrix_meta_142_a_poll_is_answered_in_words_and_counted_as_a_vote(two: tuple[Phone, Phone]) -> None:
    """Where there are no polls it is a text with numbers; a number that answers it is a vote."""
    alice, bob = two
    poll = await show(alice, BOB, {"type": "poll", "question": "Where?", "options": ["Here", "There"]})
    (asked,) = await got(bob, ALICE)
    assert "2. There" in asked["text"]
    await bob.send(ALICE, "2", reply_to=asked["native_id"])

    async def voted() -> None:
        (mine,) = await alice.inbox(BOB)
        assert (mine["native_id"], mine["votes"]) == (poll, {BOB: [1]})

    await eventually(voted)
    status, _ = await alice.call("PUT", f"messages/{poll}/vote", json={"options": [0]})
    assert status == 200
    _, _, told = await got(bob, ALICE, 3)
    assert "Here" in told["text"]


@pytest.mark.thread("mautrix/whatsapp#144", "mautrix/whatsapp#231")
async def test_mautrix_whatsapp_144_a_large_film_goes_as_a_link_and_nobody_swells(world: World) -> None:
    """80 MB from WhatsApp: a link on Instagram (mautrix_whatsapp_144); no daemon holds it in memory."""
    await world.start_rails("whatsapp", "instagram")
    await world.start_router()
    processes = [await world.start_process(rail) for rail in ("whatsapp", "instagram")]
    alice, bob = await world.register("whatsapp", "alice"), await world.register("instagram", "bob")
    await alice.send(BOB, "first")
    await bob.has(ALICE, "first")
    pids = {process.rail: process.pid for process in processes} | {"nats": world.bus.server.pid}
    before = {name: psutil.Process(pid).memory_info().rss for name, pid in pids.items()}
    peaks = dict(before)

    async def watch() -> None:
        while True:
            for name, pid in pids.items():
                peaks[name] = max(peaks[name], psutil.Process(pid).memory_info().rss)
            await asyncio.sleep(0.02)

    path = world.folder / "film.mp4"
    size_bytes = _write_film(path)
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch())
        with path.open("rb") as film:
            file = await up(alice, film, "film.mp4")
        await show(alice, BOB, {"type": "video", "media_id": file["media_id"]})
        link = (await got(bob, ALICE, 2))[1]["text"].split(": ")[-1]
        read = 0
        async with world.http.get(link) as answer:
            async for chunk in answer.content.iter_chunked(1 << 16):
                read += len(chunk)
        watching.cancel()
    assert read == size_bytes
    grown = {name: (peaks[name] - before[name]) / 1_000_000 for name in pids}
    assert all(grown[rail] < 32 for rail in ("whatsapp", "instagram")), grown


def _write_film(path: Path) -> int:
    with path.open("wb") as film:
        film.write(MP4)
        for _ in range(80):
            film.write(os.urandom(1_000_000))
    return path.stat().st_size


async def test_a_photo_that_was_taken_back_can_be_sent_again(two: tuple[Phone, Phone]) -> None:
    """The rail has let go of the file with the message: it is given it once more."""
    alice, bob = two
    file = await up(alice, PNG)
    for _ in range(2):
        native_id = await show(alice, BOB, {"type": "image", "media_id": file["media_id"]})

        async def seen() -> None:
            shown = [one["content"] for one in await bob.inbox(ALICE) if one["content"] is not None]
            assert len(shown) == 1
            assert await bytes_of(bob, shown[0]["media_id"]) == PNG

        await eventually(seen)
        status, _ = await alice.call("DELETE", f"messages/{native_id}")
        assert status == 200

        async def gone() -> None:
            assert all(one["unsent"] for one in await bob.inbox(ALICE))

        await eventually(gone)
        file = await up(alice, PNG)
    assert len(await bob.inbox(ALICE)) == 2


@pytest.mark.thread("mautrix/whatsapp#374", "mautrix/whatsapp#796")
async def test_mautrix_whatsapp_374_796_a_file_whose_address_has_expired_is_asked_for_again(
    world: World, two: tuple[Phone, Phone]
) -> None:
    """The webhook's address is gone by the time that it is followed: the rail is asked by the file's id where it is."""
    alice, bob = two
    await alice.send(BOB, "before")
    await bob.has(ALICE, "before")
    body = png(77)
    file = await up(alice, body)
    ghost = next(
        one for one in (await world.partner("whatsapp", "GET", "accounts"))["accounts"] if one["handle"] == BOB
    )
    photo = {"id": file["media_id"], "mime_type": "image/png", "url": f"{world.rails['whatsapp'].url}/media/expired"}
    message = {"from": alice.id, "id": "wamid.LATE", "timestamp": "1790000000", "type": "image", "image": photo}
    value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": ghost["id"]}, "messages": [message]}
    change = {"object": "whatsapp_business_account", "entry": [{"changes": [{"field": "messages", "value": value}]}]}
    assert await world.post_webhook("whatsapp", json.dumps(change).encode()) == 200
    late = (await got(bob, ALICE, 2))[1]
    assert late["content"]["sha256"] == hashlib.sha256(body).hexdigest()
    assert await bytes_of(bob, late["content"]["media_id"]) == body


@pytest.mark.thread("mautrix/whatsapp#866")
async def test_mautrix_whatsapp_866_a_sticker_that_moves_arrives_whole(world: World) -> None:
    """Up to 500 KB, where a still one may have 100 KB; as a picture where there are no stickers, byte for byte."""
    await world.start("whatsapp", "messenger", "instagram")
    alice, bob = await world.register("messenger", "alice"), await world.register("whatsapp", "bob")
    body = WEBP_ANIMATED + bytes(300_000)
    for writer, reader, kind in ((alice, bob, "sticker"), (bob, alice, "image")):
        file = await up(writer, body, "wave.webp")
        await show(writer, reader.handle, {"type": "sticker", "media_id": file["media_id"]})

        async def there(reader: Phone = reader, peer: str = writer.handle, kind: str = kind) -> None:
            last = [one["content"] for one in await reader.inbox(peer) if one["direction"] == "in"]
            assert [one["type"] for one in last] == [kind]
            assert await bytes_of(reader, last[0]["media_id"]) == body

        await eventually(there)


async def test_a_documents_name_arrives_as_it_is(world: World) -> None:
    """Whatever is in it, on rails that are told the name in the post and on those that are told it with the file."""
    await world.start("whatsapp", "messenger")
    alice, bob = await world.register("whatsapp", "alice"), await world.register("messenger", "bob")
    names = ["Übung №1 “x”.pdf", 'a"b; c, d.pdf', "🦜's  bill 50%25.pdf"]
    for writer, reader in ((alice, bob), (bob, alice)):
        for number, name in enumerate(names):
            file = await up(writer, PDF + name.encode() + bytes([number]), name)
            await show(writer, reader.handle, {"type": "document", "media_id": file["media_id"], "name": name})

        async def there(reader: Phone = reader, peer: str = writer.handle) -> None:
            found = [one["content"]["name"] for one in await reader.inbox(peer) if one["direction"] == "in"]
            assert found == names

        await eventually(there)
