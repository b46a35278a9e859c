"""Every capability document is held against its running rail, in both directions.

What is claimed works natively, in the rail's own app. What is not claimed arrives as the next best thing, and the leg
says what was lost.
"""

import hashlib
from typing import Any

import pytest

from bridges.kit import lost, words
from bridges.kit.downgrade import AlbumPiece, Fitted, MediaPiece, Piece, TextPiece
from bridges.kit.parts import size
from schemas.content import Album, Contacts, Location, Mark, Media, Poll, Text
from schemas.events import Edit, Message, Reaction, Receipt, Unsend, Vote
from tests.conformance import samples
from tests.conformance.stage import Stage, link_in
from tests.must import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


# --- to the rail -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", samples.KINDS)
async def test_content_arrives_as_the_document_says(stage: Stage, kind: str) -> None:
    """Each kind: as many native messages as it takes, each what it should be, and exactly the losses foretold."""
    content = samples.KINDS[kind]
    for media in _files(content):
        await stage.store(media.mime, _body(media))
    expected = samples.fitting(stage.translator, content)
    assert isinstance(expected, Fitted)
    result = await stage.result(await stage.say(content))
    assert (result.status, result.why) == ("posted", "")
    assert result.lost == expected.lost
    assert len(result.native_ids) == len(expected.pieces)
    for native_id, piece in zip(result.native_ids, expected.pieces, strict=True):
        await _is_shown(stage, await stage.bob.message(native_id, lambda _: True), piece)


def _files(content: object) -> tuple[Media, ...]:
    return content.items if isinstance(content, Album) else (content,) if isinstance(content, Media) else ()


def _body(media: Media) -> bytes:
    bodies = [body for _, body in (*samples.FILES.values(), samples.ZIP)]
    return next(body for body in bodies if hashlib.sha256(body).hexdigest() == media.sha256)


async def _is_shown(stage: Stage, shown: dict[str, Any], piece: Piece) -> None:
    """What the app shows is the piece."""
    content = shown["content"]
    match piece:
        case TextPiece():
            assert content is None
            await _says(stage, shown["text"], piece.body)
            if piece.plain:
                assert shown["markup"] is False
        case MediaPiece():
            assert content["type"] in ({"voice", "audio"} if piece.kind == "voice" else {piece.kind})
            assert (content["sha256"], content["size_bytes"]) == (piece.media.sha256, piece.media.size_bytes)
            assert shown["text"] == piece.caption
        case AlbumPiece():
            assert content["type"] == "album"
            assert [item["sha256"] for item in content["items"]] == [item.media.sha256 for item in piece.items]
        case Location():
            assert (content["type"], content["name"]) == ("location", piece.name)
            assert (content["latitude"], content["longitude"]) == (piece.latitude, piece.longitude)
        case Contacts():
            assert [card["name"] for card in content["cards"]] == [card.name for card in piece.cards]
        case Poll():
            assert (content["question"], content["options"]) == (piece.question, list(piece.options))


async def _says(stage: Stage, shown: str, body: str) -> None:
    """The words; where a link to a file is meant, a link that gives the file."""
    before, linked, after = body.partition(samples.LINK)
    if not linked:
        assert shown == body
        return
    assert shown.startswith(before)
    assert shown.endswith(after)
    digests = {hashlib.sha256(one).hexdigest() for _, one in (*samples.FILES.values(), samples.ZIP)}
    assert await stage.bob.fetch(link_in(shown)) in digests


async def test_a_text_of_the_longest_length_is_one_message(stage: Stage) -> None:
    """The limit is not lower than claimed; one more is two messages, and no word is lost."""
    can = stage.can
    for over in (0, 1):
        body = "x" * (can.text_max + over)
        result = await stage.result(await stage.say(Text(body=body)))
        assert (len(result.native_ids), result.lost) == (1 + over, ())
        inbox = await stage.bob.inbox()
        found = [inbox[native_id]["text"] for native_id in result.native_ids]
        assert "".join(found) == body
        assert all(size(part, can.text_unit) <= can.text_max for part in found)


async def test_people_write_more_than_a_post_takes(stage: Stage) -> None:
    """As long as claimed in one message, and not a character more; it comes in whole, and an edit takes as much."""
    most = stage.can.app_text_max
    if not most:
        return
    status, told = await stage.bob.write(text="y" * (most + 1))
    assert (status, told["error"]["code"]) == (400, "too_long")
    status, told = await stage.bob.write(text="y" * most)
    assert status == 201, told
    event = await stage.heard(lambda event: isinstance(event, Message) and event.native_id == told["native_id"])
    assert isinstance(event, Message)
    assert event.content == Text(body="y" * most)
    if stage.can.edit.is_native:
        target = await stage.say(Text(body="short"))
        (native_id,) = (await stage.result(target)).native_ids
        await stage.do(Edit, target, content=Text(body="z" * most))
        await stage.bob.message(native_id, lambda message: message["text"] == "z" * most)


async def test_mentions_name_the_account_there(stage: Stage) -> None:
    """Bob by his address on the rail, whatever Alice calls him; Alice, who has none there, by her name."""
    bob, alice = (
        Mark(kind="mention", start=4, end=9, value=stage.bob.handle),
        Mark(kind="mention", start=13, end=15, value=stage.alice),
    )
    result = await stage.result(await stage.say(Text(body="ask Bobby or me", marks=(bob, alice))))
    shown = await stage.bob.message(result.native_ids[0], lambda _: True)
    address = stage.bob.handle.partition(":")[2].removeprefix("@")
    assert shown["text"] == f"ask @{address} or @Alice"


async def test_forwarded(stage: Stage) -> None:
    """As the app's own mark, or in words."""
    result = await stage.result(await stage.say(Text(body="pass it on"), forwarded=1))
    (native_id,) = result.native_ids
    shown = await stage.bob.message(native_id, lambda _: True)
    if stage.can.forwarded.is_native:
        assert (shown["forwarded"], shown["text"], result.lost) == (1, "pass it on", ())
    else:
        assert shown["text"] == f"{words.FORWARDED}\npass it on"
        assert result.lost == (lost.FORWARDED_WORDS,)


async def test_replies(stage: Stage) -> None:
    """An answer is tied to what it answers, both ways; or quotes it."""
    asked = await stage.say(Text(body="coming?"))
    (there,) = (await stage.result(asked)).native_ids
    await stage.bob.message(there, lambda _: True)
    if not stage.can.reply.is_native:
        rank = (await stage.logged(asked)).rank
        result = await stage.result(await stage.say(Text(body="so?"), reply_to=asked, reply_rank=rank))
        shown = await stage.bob.message(result.native_ids[0], lambda _: True)
        assert (shown["text"], result.lost) == ("> coming?\nso?", (lost.REPLY_QUOTED,))
        return
    status, told = await stage.bob.write(text="yes", reply_to=there)
    assert status == 201, told
    answer = await stage.heard(lambda event: isinstance(event, Message) and event.native_id == told["native_id"])
    assert isinstance(answer, Message)
    assert answer.reply_to == asked
    (again,) = (await stage.result(await stage.say(Text(body="good"), reply_to=answer.id))).native_ids
    await stage.bob.message(again, lambda message: message["reply_to"] == told["native_id"])


async def test_edits(stage: Stage) -> None:
    """In place as often as claimed; after that a correction, and the leg says so."""
    can = stage.can
    target = await stage.say(Text(body="at 7"))
    (native_id,) = (await stage.result(target)).native_ids
    times = can.edit_most or 2
    if can.edit.is_native:
        for hour in range(times):
            await stage.do(Edit, target, content=Text(body=f"at {hour}"))
            body = f"at {hour}"
            shown = await stage.bob.message(native_id, lambda message, body=body: message["text"] == body)
            assert shown["edited"] is True
    if can.edit_most or not can.edit.is_native:
        edit = await stage.do(Edit, target, content=Text(body="at 23"))

        async def corrected() -> None:
            assert f"{words.CORRECTED}at 23" in [one["text"] for one in (await stage.bob.inbox()).values()]

        await eventually(corrected)
        assert lost.EDIT_CORRECTION in (await stage.result(edit)).lost


async def test_unsends(stage: Stage) -> None:
    """Taken back in place, or told of."""
    target = await stage.say(Text(body="forget it"))
    (native_id,) = (await stage.result(target)).native_ids
    unsend = await stage.do(Unsend, target)
    if stage.can.unsend.is_native:
        shown = await stage.bob.message(native_id, lambda message: bool(message["unsent"]))
        assert shown["text"] == ""
    else:
        assert lost.UNSEND_NOTICE in (await stage.result(unsend)).lost


async def test_reactions(stage: Stage) -> None:
    """Put, replaced and taken back; or told of."""
    target = await stage.say(Text(body="news!"))
    (native_id,) = (await stage.result(target)).native_ids
    if not stage.can.reaction.is_native:
        result = await stage.result(await stage.do(Reaction, target, emoji="🦜"))
        assert lost.REACTION_WORDS in result.lost
        assert any("Alice reacted with 🦜" in one["text"] for one in (await stage.bob.inbox()).values())
        return
    for emoji in ("👍", "🦜", ""):
        await stage.do(Reaction, target, emoji=emoji)
        expected = [emoji] if emoji else []
        await stage.bob.message(
            native_id, lambda message, expected=expected: list(message["reactions"].values()) == expected
        )


# --- from the rail ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", samples.FILES)
async def test_files_come_in_as_they_were_sent(stage: Stage, kind: Any) -> None:
    """What the app takes is on the bus by its digest and type; what it does not take is refused there and then."""
    mime, body = samples.FILES[kind]
    media_id = await stage.bob.upload(mime, body, f"file-{kind}")
    status, told = await stage.bob.write(content={"type": kind, "media_id": media_id})
    if status != 201:
        assert told["error"]["code"] == "unsupported", told
        assert kind not in stage.can.media
        return
    event = await stage.heard(lambda event: isinstance(event, Message) and event.native_id == told["native_id"])
    assert isinstance(event, Message)
    content = event.content
    assert isinstance(content, Media)
    assert (content.sha256, content.size_bytes, content.mime) == (hashlib.sha256(body).hexdigest(), len(body), mime)
    assert content.kind in ({"voice", "audio"} if kind == "voice" else {kind})


async def test_markup_comes_in_as_marks(stage: Stage) -> None:
    """Where there is markup it is read; where there is none it is words."""
    status, told = await stage.bob.write(text="*now* or never")
    assert status == 201, told
    event = await stage.heard(lambda event: isinstance(event, Message) and event.native_id == told["native_id"])
    assert isinstance(event, Message)
    assert isinstance(event.content, Text)
    assert event.content == stage.translator.style.read("*now* or never")
    if stage.can.marks["bold"].is_native:
        assert (event.content.body, len(event.content.marks)) == ("now or never", 1)
    else:
        assert event.content == Text(body="*now* or never")


async def test_a_change_of_mind_comes_in(stage: Stage) -> None:
    """An edit, a reaction, an unsend by Bob: each an event about the same message."""
    status, told = await stage.bob.write(text="at 7")
    assert status == 201, told
    native_id = told["native_id"]
    message = await stage.heard(lambda event: isinstance(event, Message) and event.native_id == native_id)
    if stage.can.edit.is_native:
        assert (await stage.bob.call("PATCH", f"messages/{native_id}", json={"text": "at 8"}))[0] == 200
        edit = await stage.heard(lambda event: isinstance(event, Edit) and event.target == message.id)
        assert isinstance(edit, Edit)
        assert edit.content == Text(body="at 8")
    if stage.can.reaction.is_native:
        assert (await stage.bob.call("PUT", f"messages/{native_id}/reaction", json={"emoji": "🦜"}))[0] == 200
        reaction = await stage.heard(lambda event: isinstance(event, Reaction) and event.target == message.id)
        assert isinstance(reaction, Reaction)
        assert reaction.emoji == "🦜"
    if stage.can.unsend.is_native:
        assert (await stage.bob.call("DELETE", f"messages/{native_id}"))[0] == 200
        await stage.heard(lambda event: isinstance(event, Unsend) and event.target == message.id)


async def test_a_poll_is_answered(stage: Stage) -> None:
    """By a native vote, or by a number in answer to the poll in words."""
    poll = Poll(question="Lunch?", options=("Pizza", "Sushi"))
    target = await stage.say(poll)
    (native_id,) = (await stage.result(target)).native_ids
    if stage.can.poll.is_native:
        assert (await stage.bob.call("PUT", f"messages/{native_id}/vote", json={"options": [1]}))[0] == 200
    else:
        assert (await stage.bob.write(text="2", reply_to=native_id))[0] == 201
    vote = await stage.heard(lambda event: isinstance(event, Vote) and event.target == target)
    assert isinstance(vote, Vote)
    assert vote.options == (1,)


async def test_receipts_come_in(stage: Stage) -> None:
    """Reading is told; so is delivery where the rail shows it."""
    target = await stage.say(Text(body="read me"))
    (native_id,) = (await stage.result(target)).native_ids
    await stage.bob.message(native_id, lambda _: True)
    status, told = await stage.bob.call("POST", "read", json={"with": str(stage.alice)})
    assert status == 200, told
    position = (await stage.logged(target)).entry.position
    wanted = {"read"} | ({"delivered"} if stage.can.delivered.is_native else set())
    for kind in wanted:
        await stage.heard(
            lambda event, kind=kind: isinstance(event, Receipt) and event.status == kind and event.position >= position
        )


async def test_typing(stage: Stage) -> None:
    """Both ways where it is claimed; a rail that cannot show it is shown nothing, and gets its messages."""
    await stage.result(await stage.say(Text(body="wait")))
    async with stage.bob.listening() as until:

        async def alice_types() -> list[str]:
            for on in (False, True):
                await stage.types(on=on)
            await stage.say(Text(body="that was all"))
            told = await until("message")
            assert ("typing" in told) is stage.can.typing.is_native
            return told

        await eventually(alice_types)
    if stage.can.typing.is_native:

        async def bob_types() -> None:
            for on in (False, True):
                assert (await stage.bob.call("POST", "typing", json={"to": stage.alice, "on": on}))[0] == 204
            sign = await stage.typed()
            assert (sign.actor, sign.conversation) == (stage.bob_person, stage.conversation)

        await eventually(bob_types)


async def test_presence(stage: Stage) -> None:
    """Both ways where it is claimed, of who wishes it; a rail that cannot show it is told nothing of it."""
    await stage.result(await stage.say(Text(body="wait")))
    await stage.let_be_seen()
    async with stage.bob.listening() as until:

        async def alice_is_there() -> None:
            for on in (False, True):
                await stage.is_there(on=on)
            await stage.say(Text(body="that was all"))
            assert ("presence" in await until("message")) is stage.can.presence.is_native

        await eventually(alice_is_there)
    if stage.can.presence.is_native:

        async def bob_is_there() -> None:
            for on in (False, True):
                assert (await stage.bob.call("POST", "presence", json={"on": on}))[0] == 204
            assert (await stage.said_to_be_there()).actor == stage.bob_person

        await eventually(bob_is_there)
