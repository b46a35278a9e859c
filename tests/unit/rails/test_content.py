"""Content by tables and properties: what files are, which links are public, limits, and the forms on the wire."""

import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rails.catalogue import BUNDLED
from rails.kit import accounts, adoption, content, edits, media, messages, reactions, sending, sniffing
from rails.kit.acts import Acts
from rails.kit.content import Details, File, Location, Media, Poll
from rails.kit.fetching import is_public
from rails.kit.links import MediaLinks
from rails.kit.media_api import disposition
from rails.kit.model import Account, Changed, Kind, Message, Posted, Reacted, Refused, Why
from rails.kit.rail import PostText, React
from rails.kit.store import SCHEMA_VERSION, StoreDamaged, Tx, check
from tests.integration.rails import samples

DAY_MS = 24 * 3600 * 1000
ALICE = Account(id="39333", handle="whatsapp:+39333", name="Alice", kind=Kind.PERSON, federated=True, second_id="IT.1")
BOB = Account(id="9002", handle="messenger:bob", name="Bob", kind=Kind.PERSON, federated=True, second_id="IT.2")
PICTURE = File(media_id="1" * 18, kind="image", mime="image/png", size_bytes=9, sha256="ab" * 32, name="a.png")


@pytest.mark.parametrize(
    ("body", "mime", "kind"),
    [
        (samples.PNG, "image/png", "image"),
        (samples.JPEG, "image/jpeg", "image"),
        (samples.GIF, "image/gif", "image"),
        (samples.WEBP, "image/webp", "sticker"),
        (samples.WEBP_ANIMATED, "image/webp", "sticker"),
        (samples.MP4, "video/mp4", "video"),
        (samples.THREE_GP, "video/3gpp", "video"),
        (samples.M4A, "audio/mp4", "audio"),
        (samples.RECORDED_MP4, "audio/mp4", "audio"),
        (samples.FILM_WITH_SOUND, "video/mp4", "video"),
        (samples.OGG, "audio/ogg", "audio"),
        (samples.OGG_FILM, "video/ogg", "video"),
        (samples.MP3, "audio/mpeg", "audio"),
        (samples.AMR, "audio/amr", "audio"),
        (samples.wav(), "audio/wav", "audio"),
        (samples.PDF, "application/pdf", "document"),
        (samples.TEXT, "text/plain", "document"),
        (samples.HTML, "text/html", "document"),
        (samples.SVG, "image/svg+xml", "document"),
        (samples.NOISE, "application/octet-stream", "document"),
        (b"", "application/octet-stream", "document"),
    ],
)
def test_what_a_file_is(body: bytes, mime: str, kind: str) -> None:
    """By its bytes; what a browser would run is a document, whatever it calls itself."""
    assert sniffing.mime_of(body) == mime
    assert sniffing.kind_of(mime) == kind
    assert sniffing.is_animated(body) is (body is samples.WEBP_ANIMATED)


@given(st.binary(max_size=600))
def test_no_bytes_confuse_the_sniffer(body: bytes) -> None:
    """Any bytes are some type."""
    assert "/" in sniffing.mime_of(body)
    sniffing.is_animated(body)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        *[
            (address, False)
            for address in (
                "127.0.0.1",
                "127.1.2.3",
                "0.0.0.0",  # noqa: S104 - refused is what it is
                "10.1.2.3",
                "172.16.0.1",
                "192.168.1.1",
                "169.254.169.254",
                "100.64.0.1",
                "224.0.0.1",
                "255.255.255.255",
                "::1",
                "::",
                "fe80::1%eth0",
                "fc00::1",
                "::ffff:127.0.0.1",
                "64:ff9b::7f00:1",
                "2002:7f00:1::",
                "ff02::1",
                "2130706433",
                "not an address",
            )
        ],
    ],
)
def test_public_addresses(address: str, public: bool) -> None:  # noqa: FBT001 - a table
    """Only what anybody on the internet reaches."""
    assert is_public(address) is public


@given(st.text(max_size=400))
def test_names_are_names(name: str) -> None:
    """No folders, no control characters, not too long; cleaning twice changes nothing."""
    clean = media.clean_name(name)
    assert not set(clean) & set("/\\\0\n\r\u202e")
    assert len(clean) <= media.NAME_LENGTH
    assert media.clean_name(clean) == clean
    disposition(msgspec.structs.replace(PICTURE, name=clean)).encode("ascii")


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\y.doc", "y.doc"),
        ("..", ""),
        ("a\u202egnp.exe", "agnp.exe"),
        ("è.png", "è.png"),
    ],
)
def test_names_by_example(name: str, clean: str) -> None:
    """Tricks with paths and reading directions."""
    assert media.clean_name(name) == clean


@pytest.mark.parametrize(
    "emoji",
    [
        "\U0001f44d",
        "\u2764\ufe0f",
        "\u2764",
        "\U0001f1ee\U0001f1f9",
        "1\ufe0f\u20e3",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\U0001f44d\U0001f3fd",
        "",
    ],
)
def test_emoji(emoji: str) -> None:
    """One as it is typed: flags, keycaps, families, tones; or none."""
    assert sending.checked_emoji(emoji) == emoji


@pytest.mark.parametrize(
    "emoji", ["a", "1", " ", "\U0001f44d\U0001f44d", "\U0001f44dx", "\ud83d", None, 7, "\U0001f44d" + "\u200d" * 40]
)
def test_no_emoji(emoji: Any) -> None:
    """Letters, two of them, halves of one."""
    with pytest.raises(Refused):
        sending.checked_emoji(emoji)


def test_addresses_of_files_run_out() -> None:
    """Good until their time, for their file, from this rail; nothing else is."""
    now = [1_700_000_000_000]
    links = MediaLinks(secret="s", origin=lambda: "http://rail", now_ms=lambda: now[0])
    query = dict(pair.split("=") for pair in links.url("123", good_for_ms=5000).partition("?")[2].split("&"))
    good = ("123", query["ext"], query["hash"])
    assert links.is_good(*good)
    assert not links.is_good("124", *good[1:])
    assert not links.is_good("123", str(int(query["ext"]) + 9), query["hash"])
    assert not links.is_good("123", "x", "è")
    other = MediaLinks(secret="t", origin=lambda: "", now_ms=lambda: now[0])
    assert not other.is_good(*good)
    now[0] += 6001
    assert not links.is_good(*good)


def described(**details: Any) -> Message:
    """A message with details."""
    return Message(
        arrival=7,
        native_id="id-7",
        thread_id="t",
        sender_id=ALICE.id,
        recipient_id=BOB.id,
        text="Ciao",
        at_ms=1_700_000_000_000,
        sent_at_ms=1_700_000_000_000,
        rank=1,
        details=Details(**details),
    )


@given(
    st.builds(
        Details,
        content=st.one_of(
            st.none(),
            st.just(Media(file=PICTURE)),
            st.builds(Location, latitude=st.floats(-90, 90), longitude=st.floats(-180, 180), name=st.text()),
            st.builds(Poll, question=st.text(), options=st.tuples(st.text(), st.text())),
        ),
        edits=st.integers(0, 5),
        reactions=st.dictionaries(st.text(), st.text()),
        votes=st.dictionaries(st.text(), st.tuples(st.integers(0, 9))),
    )
)
def test_details_come_back_as_they_were_stored(details: Details) -> None:
    """Nothing is lost in the column; nothing at all is stored of a plain text."""
    packed = content.pack(details)
    assert (content.unpack(packed) if packed is not None else Details()) == details
    told = content.members(details, "text", {}, has_markup=True)
    assert set(told) == set(content.members(None, "text", {}, has_markup=True))
    msgspec.json.encode(told)


def test_media_on_the_wire() -> None:
    """WhatsApp: the object under its type; the others: attachments. The partner's additions are for the partner."""
    urls = {PICTURE.media_id: "http://rail/x"}
    message = described(content=Media(file=PICTURE), forwarded=1)
    event = Posted(message=message, sender=ALICE, recipient=BOB, by_partner=False, urls=urls)
    value = BUNDLED["whatsapp"].wire.received(event)["changes"][0]["value"]
    (told,) = value["messages"]
    assert (told["type"], told["context"], told["image"]["caption"]) == ("image", {"forwarded": True}, "Ciao")
    assert set(told["image"]) == {"mime_type", "sha256", "id", "url", "caption"}
    for rail in ("messenger", "instagram"):
        (told,) = BUNDLED[rail].wire.received(event)["messaging"]
        assert told["message"] == {
            "mid": "id-7",
            "attachments": [{"type": "image", "payload": {"url": "http://rail/x"}}],
        }
    for_partner = msgspec.structs.replace(event, to_partner=True)
    (told,) = BUNDLED["messenger"].wire.received(for_partner)["messaging"]
    assert told["message"]["attachments"][0]["federation"]["sha256"] == PICTURE.sha256


def test_changes_on_the_wire() -> None:
    """Edits, unsends and reactions in each platform's form."""
    changed = Changed(message=described(edits=2), author=ALICE, recipient=BOB, at_ms=5000, id="ev-1")
    reacted = Reacted(message=described(), by=BOB, other=ALICE, emoji="\u2764", at_ms=5000, id="ev-2")
    for rail, name in (("messenger", "love"), ("instagram", "love")):
        wire = BUNDLED[rail].wire
        assert wire.edited(changed)[0]["messaging"][0]["message_edit"] == {"mid": "id-7", "text": "Ciao", "num_edit": 2}
        (told,) = wire.reacted(reacted)[0]["messaging"]
        assert told["reaction"] == {"mid": "id-7", "action": "react", "reaction": name, "emoji": "\u2764"}
        assert (told["sender"], told["recipient"]) == ({"id": BOB.id}, {"id": ALICE.id})
    assert BUNDLED["messenger"].wire.unsent(changed) == []
    wire = BUNDLED["whatsapp"].wire
    value = wire.reacted(reacted)[0]["changes"][0]["value"]
    assert (value["messages"][0]["id"], value["messages"][0]["reaction"]["emoji"]) == ("ev-2", "\u2764")
    assert value["metadata"]["phone_number_id"] == ALICE.id
    assert wire.reacted_echo(reacted)[0]["changes"][0]["value"]["statuses"][0]["status"] == "sent"


W = {"messaging_product": "whatsapp", "to": "1"}


@pytest.mark.parametrize(
    ("rail", "body", "act"),
    [
        (
            "whatsapp",
            {**W, "type": "audio", "audio": {"id": 7, "voice": "true"}},
            PostText(to="1", content=sending.SentVoice(media_id="7")),
        ),
        (
            "whatsapp",
            {**W, "type": "document", "document": {"id": "7", "filename": "a", "caption": "b"}},
            PostText(to="1", content=sending.SentDocument(media_id="7", name="a", caption="b")),
        ),
        (
            "whatsapp",
            {**W, "type": "location", "location": {"latitude": "1.5", "longitude": 2}},
            PostText(to="1", content=sending.SentLocation(latitude=1.5, longitude=2.0)),
        ),
        (
            "whatsapp",
            {**W, "type": "reaction", "reaction": {"message_id": "m", "emoji": ""}},
            React(to="1", native_id="m"),
        ),
        (
            "messenger",
            {"recipient": {"id": "1"}, "sender_action": "react", "payload": {"message_id": "m", "reaction": "like"}},
            React(to="1", native_id="m", emoji="\U0001f44d"),
        ),
        (
            "instagram",
            {"recipient": {"id": "1"}, "sender_action": "unreact", "payload": {"message_id": "m"}},
            React(to="1", native_id="m"),
        ),
        (
            "instagram",
            {"recipient": {"id": "1"}, "message": {"attachment": {"type": "like_heart"}}},
            PostText(to="1", content=sending.SentHeart()),
        ),
        (
            "messenger",
            {"recipient": {"id": "1"}, "message": {"attachment": {"type": "FILE", "payload": {"attachment_id": 7}}}},
            PostText(to="1", content=sending.SentDocument(media_id="7")),
        ),
    ],
)
def test_bodies_of_content(rail: str, body: dict[str, Any], act: object) -> None:
    """The official forms, with the liberties that clients take."""
    assert BUNDLED[rail].wire.parse_act(body) == act


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
KINDS = ("image", "audio", "document", "sticker", "location", "contacts", "reaction", "text", "dance")


@given(st.sampled_from(sorted(BUNDLED)), st.sampled_from(KINDS), JSON, JSON)
def test_any_json_is_understood_or_refused(rail: str, kind: str, part: Any, other: Any) -> None:
    """Wrong types in every place are a refusal, never a crash."""
    attachment = {"type": kind, "payload": part}
    bodies = (
        {**W, "type": kind, kind: part, "context": other},
        {**W, "type": kind, kind: {"id": part, "latitude": other, "longitude": other, "message_id": other}},
        {**W, "type": "contacts", "contacts": [{"name": part, "phones": other, "org": other}]},
        {"recipient": {"id": "1"}, "message": {"attachment": attachment, "attachments": other}},
        {"recipient": {"id": "1"}, "message": {"attachments": [attachment, other]}},
        {"recipient": {"id": "1"}, "sender_action": "react", "payload": part},
    )
    for body in bodies:
        try:
            BUNDLED[rail].wire.parse_act(body)
        except Refused:
            continue


def acts_at(rail: str, now: list[int]) -> Acts:
    """The acts of a rail whose clock the test has."""
    links = MediaLinks(secret="s", origin=lambda: "http://rail", now_ms=lambda: now[0])
    return Acts(rail=BUNDLED[rail], is_listening=lambda _: False, now_ms=lambda: now[0], links=links)


@pytest.fixture
def tx(tmp_path: Path) -> Tx:
    """A transaction on a new store."""
    db = sqlite3.connect(tmp_path / "rail.sqlite3", isolation_level=None)
    check(db, tmp_path / "rail.sqlite3")
    return Tx(db)


def people(tx: Tx, rail: str) -> list[Account]:
    """Alice and Bob on that rail."""
    addresses = {"whatsapp": ("+393331112222", "+393334445555")}.get(rail, ("alice", "bob"))
    return [
        accounts.register(tx, BUNDLED[rail], address=a, name=a, kind=Kind.PERSON, federated=True, now_ms=1)
        for a in addresses
    ]


@pytest.mark.parametrize(("rail", "unsend_ms"), [("whatsapp", 2 * DAY_MS), ("messenger", None), ("instagram", None)])
def test_times_to_change_ones_mind(tx: Tx, rail: str, unsend_ms: int | None) -> None:
    """To the millisecond: fifteen minutes to edit everywhere, two days to take back on WhatsApp, else for ever."""
    now = [1_700_000_000_000]
    acts = acts_at(rail, now)
    alice, bob = people(tx, rail)
    message = acts.post(tx, sender=alice, recipient=bob, text="one")
    now[0] = message.at_ms + 15 * 60 * 1000
    edits.edit(tx, acts, author=alice, native_id=message.native_id, text="two")
    now[0] += 1
    with pytest.raises(Refused) as caught:
        edits.edit(tx, acts, author=alice, native_id=message.native_id, text="three")
    assert caught.value.why is Why.TOO_OLD
    edits.edit(tx, acts, author=alice, native_id=message.native_id, text="two")  # says nothing new: harmless
    now[0] = message.at_ms + (unsend_ms or 900 * DAY_MS) + 1
    if unsend_ms is not None:
        with pytest.raises(Refused) as caught:
            edits.unsend(tx, acts, author=alice, native_id=message.native_id)
        assert caught.value.why is Why.TOO_OLD
        now[0] -= 1
    gone = edits.unsend(tx, acts, author=alice, native_id=message.native_id)
    assert (gone.text, gone.details) == ("", Details(unsent=True))


def test_adoption_moves_reactions_and_votes(tx: Tx) -> None:
    """What the ghost thought of a message, the account thinks."""
    now = [1_700_000_000_000]
    acts = acts_at("whatsapp", now)
    alice, bob = people(tx, "whatsapp")
    ghost = accounts.make_ghost(tx, acts.rail, key="k", name="Bob", handle="messenger:bob", aliases=[], now_ms=1)
    message = acts.post(tx, sender=alice, recipient=ghost, text="one")
    reactions.react(tx, acts, by=ghost, native_id=message.native_id, emoji="\U0001f44d")
    adoption.adopt(tx, ghost=ghost, account=bob)
    moved = messages.by_native_id(tx, message.native_id)
    assert moved is not None
    assert moved.details is not None
    assert moved.details.reactions == {bob.id: "\U0001f44d"}


def test_a_store_of_version_one_opens(tmp_path: Path) -> None:
    """Its messages are there, plain; it takes content from then on; a store of the future is left alone."""
    path = tmp_path / "rail.sqlite3"
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript((Path(sending.__file__).with_name("schema.sql")).read_text())
    assert db.execute("SELECT version FROM schema_version").fetchone() == (1,)
    db.executescript(
        "INSERT INTO accounts (id, handle, name, kind, federated, created_at_ms) VALUES"
        " ('1', 'messenger:alice', 'Alice', 'person', 1, 1), ('2', 'messenger:bob', 'Bob', 'person', 1, 1);"
        "INSERT INTO threads (id, kind) VALUES ('t', 'direct');"
        "INSERT INTO messages (native_id, thread_id, sender_id, recipient_id, text, at_ms, sent_at_ms, rank)"
        " VALUES ('m', 't', '1', '2', 'old', 1, 1, 0)"
    )
    check(db, path)
    assert db.execute("SELECT version FROM schema_version").fetchone() == (SCHEMA_VERSION,)
    old = messages.by_native_id(Tx(db), "m")
    assert old is not None
    assert (old.text, old.details) == ("old", None)
    reactions.react(Tx(db), acts_at("messenger", [2]), by=required(db, "2"), native_id="m", emoji="\U0001f44d")
    check(db, path)
    db.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(StoreDamaged, match="newer program"):
        check(db, path)


def required(db: sqlite3.Connection, account_id: str) -> Account:
    """The account with that id."""
    return accounts.required(Tx(db), account_id)


def test_files_that_nobody_needs(tx: Tx) -> None:
    """An upload that no message shows goes after its time; one that is shown stays; the last takes the file along."""
    shown = msgspec.structs.replace(PICTURE, media_id="2" * 18)
    for file in (PICTURE, shown):
        media.keep(tx, file, owner_id="1", now_ms=0)
    media.show(tx, [shown], arrival=5)
    media.forget_old_uploads(tx, media.UPLOAD_KEPT_MS + 1)
    with pytest.raises(Refused):
        media.readable(tx, PICTURE.media_id, account_id=None)
    assert media.unneeded(tx, now_ms=media.UPLOAD_KEPT_MS + 1) == []
    media.hide(tx, arrival=5, now_ms=9)
    assert media.has_due(tx, now_ms=9)
    assert media.unneeded(tx, now_ms=9) == [PICTURE.sha256]
    media.doubt(tx, PICTURE.sha256, due_ms=20)
    media.doubt(tx, PICTURE.sha256, due_ms=10)
    assert media.unneeded(tx, now_ms=15) == []
