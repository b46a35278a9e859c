"""Write this version's golden file. Run once a version, when its schemas are final; never edit an older file."""

import json
from pathlib import Path

import msgspec

from schemas import codec
from schemas.capabilities import Capabilities, Level, MediaLimit
from schemas.content import (
    Album,
    Card,
    Contacts,
    Content,
    Location,
    Mark,
    Media,
    Poll,
    Preview,
    Text,
    Unsupported,
)
from schemas.events import (
    AccountSeen,
    Block,
    Edit,
    GroupChanged,
    GroupFounded,
    LegResult,
    Link,
    Membership,
    Message,
    Prefer,
    Reaction,
    Receipt,
    Results,
    Unlink,
    Unsend,
    Vote,
)
from schemas.groups import after, group_id
from schemas.handles import parse
from schemas.ids import direct_conversation_id, event_id
from schemas.log import VERSION, Conversation, Entry, Leg, Record, Seat
from schemas.markers import Marker
from schemas.people import Preferences, newcomer

alice = newcomer(parse("whatsapp:+393331112222"), "Alice")
bob = newcomer(parse("instagram:@bob"), "Bob")
conversation = direct_conversation_id(alice.id, bob.id)
message_id = event_id("whatsapp", "message", "393331112222~17", "wamid.HBg")
message = Message(
    id=message_id,
    conversation=conversation,
    actor=alice.accounts[0].handle,
    at_ms=1_750_000_000_000,
    to=(bob.id,),
    content=Text(body="Ciao, Bob \N{WAVING HAND SIGN}"),
    reply_to=event_id("instagram", "message", "17~18", "aWdf"),
    native_id="wamid.HBg",
)
photo = Media(kind="image", sha256="ab" * 32, size_bytes=48_123, mime="image/jpeg", caption=Text(body="Sea", marks=()))
CONTENTS: list[Content] = [
    Text(
        body="Ciao bold Bob",
        marks=(Mark(kind="bold", start=5, end=9), Mark(kind="mention", start=10, end=13, value=bob.id)),
        preview=Preview(url="https://example.org/", title="Example"),
    ),
    photo,
    Media(kind="sticker", sha256="cd" * 32, size_bytes=9, mime="image/webp", animated=True),
    Media(kind="document", sha256="ef" * 32, size_bytes=9, mime="application/pdf", name="plan.pdf"),
    Album(items=(photo, photo), caption=Text(body="Twice")),
    Location(latitude=45.4, longitude=12.3, name="Harbour", address="Riva 1"),
    Contacts(cards=(Card(name="Carla", phones=("+393339990000",), emails=("carla@example.org",)),)),
    Poll(question="When?", options=("Today", "Tomorrow"), several=True),
    Unsupported(what="view_once"),
]
about = {"conversation": conversation, "actor": bob.id, "target": message_id, "rank": 17 << 12}
group = group_id("instagram", "1784~group")
founded = GroupFounded(
    id=event_id("g", "g", "g"),
    conversation=group,
    actor="instagram:@bob",
    name="Harbour",
    members=(alice.id,),
    until_ms=9,
)
group_events = [
    founded,
    Membership(id=event_id("m", "m", "m"), conversation=group, actor=bob.id, change="remove", who=(alice.id,), seen=1),
    GroupChanged(id=event_id("c", "c", "c"), conversation=group, actor=bob.id, name="Sea", closed=True),
]
receipt = Receipt(id=event_id("r", "r", "r"), conversation=conversation, actor=bob.id, status="read", position=7)
result = LegResult(event=message_id, status="posted", origin="whatsapp", native_ids=("aWdfX",), at_ms=5, lost=("bold",))
legs = {"instagram": Leg(act="post", why="Bob is here"), "messenger": Leg(act="read", private=True)}
seats = (Seat(person=alice.id, name="Alice", handles=alice.handles()), Seat(person=bob.id, name="Bob", handles=()))
entry = Entry(
    source="whatsapp",
    event=msgspec.Raw(codec.encode(message)),
    event_id=message_id,
    kind="message",
    outcome="routed",
    conversation=conversation,
    position=3,
    actor=alice.id,
    seats=msgspec.Raw(codec.encode(seats)),
    legs=msgspec.Raw(codec.encode(legs)),
    unreached={"messenger:bob.rossi": "bob does not want to be reached there"},
    people=(alice,),
)
CASES = [
    ("event", message),
    ("event", receipt),
    *[("event", msgspec.structs.replace(message, content=content, forwarded=1)) for content in CONTENTS],
    ("event", Edit(id=event_id("e", "e", "e"), content=Text(body="Better"), **about)),
    ("event", Unsend(id=event_id("u", "u", "u"), **about)),
    ("event", Reaction(id=event_id("n", "n", "n"), emoji="\N{THUMBS UP SIGN}", **about)),
    ("event", Reaction(id=event_id("n", "n", "o"), emoji="\N{THUMBS UP SIGN}", how="remove", **about)),
    ("event", Vote(id=event_id("v", "v", "v"), options=(1,), **about)),
    *[("event", event) for event in group_events],
    ("event", Results(id=event_id("x", "x", "x"), results=(result,))),
    ("event", AccountSeen(id=message_id, actor="instagram:@bob", name="Bob", account_kind="business")),
    ("event", Block(id=message_id, actor="instagram:@bob", blocked=alice.id, on=True)),
    ("event", Link(id=message_id, handles=(parse("whatsapp:+393331112222"), parse("messenger:alice.bianchi")))),
    ("event", Unlink(id=message_id, handle=parse("messenger:alice.bianchi"))),
    ("event", Prefer(id=message_id, handle=parse("instagram:@bob"), receipts=False, never=("whatsapp",))),
    ("record", Record(version=VERSION, partition=3, epoch=1, cursor={"whatsapp": (9, message_id)}, entries=(entry,))),
    ("legs", legs),
    ("seats", seats),
    ("person", msgspec.structs.replace(alice, preferences=Preferences(receipts=False), blocked=(bob.id,), version=8)),
    (
        "conversation",
        Conversation(id=conversation, members=(alice.id, bob.id), last=3, markers={bob.id: Marker(read=2)}),
    ),
    (
        "conversation",
        Conversation(id=group, members=(bob.id, alice.id), group=after(None, founded, bob.id, (bob.id, alice.id))),
    ),
    (
        "capabilities",
        Capabilities(
            rail="instagram",
            version=2,
            text_max=1000,
            text_unit="bytes",
            read=Level.FULL,
            marks={"bold": Level.FULL, "link": Level.FALLBACK},
            media={"image": MediaLimit(mimes=("image/png",), max_bytes=8 << 20)},
            edit=Level.PARTIAL,
            edit_within_s=900,
        ),
    ),
]


def main() -> None:
    """Write ``v<VERSION>.jsonl`` beside this file."""
    lines = []
    for kind, value in CASES:
        packed = codec.encode(value)
        plain = json.loads(msgspec.json.encode(codec.to_plain(value)))
        lines.append(json.dumps({"type": kind, "msgpack": packed.hex(), "json": plain}, sort_keys=True))
    (Path(__file__).parent / f"v{VERSION}.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
