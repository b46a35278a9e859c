"""The ledger's rows and answers on a real SQLite file, from records as the log has them."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

from bus.sqlite import Store
from router.core.decision import Decision, entry, refuse
from router.core.fanout import Plan, pack
from router.ledger.facts import facts
from router.ledger.losses import Losses
from router.ledger.queries import Queries, match_of
from router.ledger.store import Rows, open_store
from schemas.codec import encode
from schemas.content import Media, Poll, Text
from schemas.errors import Refusal
from schemas.events import (
    AnyEvent,
    Edit,
    Expired,
    GroupFounded,
    LegResult,
    Membership,
    Message,
    Reaction,
    Receipt,
    Results,
    Unsend,
    Vote,
)
from schemas.handles import Handle
from schemas.ids import ConversationId, EventId, PersonId, direct_conversation_id
from schemas.log import Entry, Leg, Seat, order_of
from schemas.people import Person, newcomer
from schemas.vanishing import Vanishing

ALICE, BOB = newcomer(Handle("whatsapp:+39331000001"), "alice"), newcomer(Handle("messenger:bob"), "bob")
CARLA = newcomer(Handle("instagram:@carla"), "carla")
A_AND_B = direct_conversation_id(ALICE.id, BOB.id)
GROUP = ConversationId("grp_pasta")


class Book:
    """Writes entries, one record each, and asks."""

    def __init__(self, store: Store) -> None:
        self.store, self.queries = store, Queries(store)
        self.losses = Losses(store, self.queries)
        self.rows = Rows(searchable=True)
        self.sequence = 0

    async def write(self, *entries: Entry) -> None:
        """As the projector does with a record; twice, because everything may run twice."""
        self.sequence += 1
        found = [
            fact
            for index, one in enumerate(entries)
            for fact in facts(one, rank=order_of(self.sequence, index), at_ms=1000 * self.sequence)
        ]
        await self.store.write(lambda tx: self.rows.put(tx, found))
        self.rows.forget()
        await self.store.write(lambda tx: self.rows.put(tx, found))


@pytest.fixture
async def book(tmp_path: Path) -> AsyncIterator[Book]:
    """An empty one."""
    store = await open_store(tmp_path / "ledger" / "l.sqlite3")
    yield Book(store)
    await store.close()


def routed(
    event: AnyEvent,
    source: str,
    *,
    position: int = 0,
    persons: Sequence[Person] = (ALICE, BOB),
    actor: Person = ALICE,
    **legs: str,
) -> Entry:
    """A decision to route an event, with these legs: rail -> act."""
    seats = tuple(Seat(person=one.id, name=one.name, handles=one.handles()) for one in persons)
    plan = Plan(seats=seats, legs={rail: Leg(act=act, why=f"somebody is on {rail}") for rail, act in legs.items()})
    decision = Decision(
        outcome="routed", conversation=event.conversation, position=position, actor=actor.id, packed=pack(plan)
    )
    return entry(decision, event, source=source, raw=encode(event))


def said(number: int, body: str = "Pasta tonight?", **more: object) -> Message:
    """Alice's number-th message to bob."""
    return Message(
        id=EventId(f"evt_{number}"),
        conversation=A_AND_B,
        actor=ALICE.handles()[0],
        at_ms=500,
        to=(BOB.id,),
        content=Text(body=body),
        native_id=f"wamid.{number}",
        **more,
    )


def result(event: str, status: str, **more: object) -> Results:
    """What a rail says of one leg."""
    one = msgspec.convert({"event": event, "status": status, **more}, LegResult)
    return Results(id=EventId(f"evt_of_{event}_{status}"), results=(one,))


def noted(event: Results, source: str) -> Entry:
    """Leg results on the log."""
    return entry(Decision(outcome="noted"), event, source=source, raw=encode(event))


async def test_edits_reactions_votes_and_the_unsend_are_told_with_their_legs(book: Book) -> None:
    """Each with who, where and what came of it; a refused one too; reactions also as they stand."""
    about = {"conversation": A_AND_B, "target": EventId("evt_1"), "rank": order_of(1, 0)}
    bob = BOB.handles()[0]
    edit = Edit(id=EventId("evt_e"), actor=ALICE.handles()[0], content=Text(body="Risotto tonight?"), **about)
    theft = Edit(id=EventId("evt_t"), actor=bob, content=Text(body="Mine"), **about)
    heart = Reaction(id=EventId("evt_h"), actor=bob, emoji="❤", **about)
    thumb = Reaction(id=EventId("evt_u"), actor=bob, emoji="👍", how="add", **about)
    vote = Vote(id=EventId("evt_v"), actor=bob, options=(1,), **about)
    await book.write(routed(said(1), "whatsapp", position=1, messenger="post"))
    await book.write(
        routed(edit, "whatsapp", position=1, messenger="edit"),
        entry(refuse(theft, "messenger", Refusal.NOT_THE_AUTHOR), theft, source="messenger", raw=encode(theft)),
        *(routed(one, "messenger", position=1, actor=BOB, whatsapp="react") for one in (heart, thumb, vote)),
        noted(result("evt_e", "posted", native_ids=["m_2"], lost=["shown as a new message"]), "messenger"),
    )
    found = await book.queries.trace("m_2")
    assert found is not None
    assert [(one["kind"], one["outcome"], one["person"]) for one in found["changes"][:2]] == [
        ("edit", "routed", ALICE.id),
        ("edit", "refused", None),
    ]
    leg = found["changes"][0]["legs"][1]
    assert (leg["rail"], leg["status"], tuple(leg["lost"])) == ("messenger", "posted", ("shown as a new message",))
    assert found["reactions"] == {BOB.id: ["❤", "👍"]}
    assert found["changes"][-1]["options"] == [1]
    assert (found["edited"], found["unsent"]) == (True, False)
    assert [one["message_id"] for one in await book.queries.search("risotto", limit=5)] == ["evt_1"]
    assert await book.queries.search("pasta", limit=5) == []
    assert [(one["kind"], one["what"]) for one in await book.losses.page(BOB.handles()[0], limit=5)] == [
        ("edit", "lost")
    ]
    unsend = Unsend(id=EventId("evt_x"), actor=ALICE.handles()[0], **about)
    await book.write(routed(unsend, "whatsapp", position=1, messenger="unsend"))
    found = await book.queries.trace("evt_x")
    assert found is not None
    assert found["unsent"] is True
    assert await book.queries.search("risotto", limit=5) == []
    why = await book.queries.why("evt_1", BOB.handles()[0])
    assert why is not None
    assert why["decisions"][-1]["what"] == f"unsend by {ALICE.handles()[0]}"


async def test_a_message_that_was_to_go_is_told_of_and_not_found_any_more(book: Book) -> None:
    """When it goes, as was decided last; who went; its words are gone from the search."""
    own = Vanishing(message=EventId("evt_1"), position=1, author=ALICE.id, after_read_s=5)
    written = msgspec.structs.replace(routed(said(1), "whatsapp", position=1, messenger="post"), vanishing=(own,))
    await book.write(written)
    found = await book.queries.trace("evt_1")
    assert found is not None
    assert (found["expires_at_ms"], found["after_read_s"], found["expired"]) == (None, 5, False)
    heard = Receipt(id=EventId("evt_r"), conversation=A_AND_B, actor=BOB.handles()[0], status="read", position=1)
    begun = msgspec.structs.replace(own, at_ms=9000, is_read=True)
    await book.write(
        msgspec.structs.replace(routed(heard, "messenger", position=1, actor=BOB, whatsapp="read"), vanishing=(begun,))
    )
    assert [one["message_id"] for one in await book.queries.search("pasta", limit=5)] == ["evt_1"]
    end = Expired(
        id=EventId("evt_x"), conversation=A_AND_B, actor=ALICE.id, at_ms=9000, target=EventId("evt_1"), position=1
    )
    await book.write(
        routed(end, "operator", position=1, whatsapp="unsend", messenger="unsend"),
        noted(result("evt_x", "posted"), "messenger"),
    )
    found = await book.queries.trace("evt_1")
    assert found is not None
    assert (found["expires_at_ms"], found["expired"], found["unsent"]) == (9000, True, True)
    legs = {leg["rail"]: leg["status"] for leg in found["changes"][0]["legs"]}
    assert legs == {"whatsapp": "queued", "messenger": "posted"}
    assert await book.queries.search("pasta", limit=5) == []


async def test_a_redriven_leg_is_no_loss_any_more(book: Book) -> None:
    """The last result holds: failed first, then posted; the decisions show both."""
    await book.write(routed(said(1), "whatsapp", position=1, messenger="post"))
    await book.write(noted(result("evt_1", "failed", attempts=7, why="gone", at_ms=2000), "messenger"))
    losses = await book.losses.page(None, limit=5)
    assert [(one["what"], one["repairable"], one["recipients"]) for one in losses] == [
        ("failed", True, [BOB.handles()[0]])
    ]
    why = await book.queries.why("evt_1", BOB.handles()[0])
    assert why is not None
    assert (why["got"], why["answer"]) == (False, "No: messenger did not take it after 7 attempts: gone.")
    await book.write(noted(result("evt_1", "posted", at_ms=9000, native_ids=["m_1"]), "messenger"))
    assert await book.losses.page(None, limit=5) == []
    why = await book.queries.why("m_1", BOB.handles()[0])
    assert why is not None
    assert why["got"] is True
    assert [one["at_ms"] for one in why["decisions"]][-2:] == [2000, 9000]


async def test_a_receipt_counts_from_the_first_that_reaches_the_message(book: Book) -> None:
    """Not the last of a long conversation; markers are the furthest; the writer's own reading is no receipt."""
    for position in range(1, 6):
        await book.write(routed(said(position), "whatsapp", position=position, messenger="post"))
    await book.write(noted(result("evt_2", "posted"), "messenger"))
    for position, at_ms in ((1, 10), (3, 30), (5, 50)):
        read = Receipt(
            id=EventId(f"evt_r{position}"),
            conversation=A_AND_B,
            actor=BOB.handles()[0],
            at_ms=at_ms,
            status="read",
            position=position,
        )
        await book.write(routed(read, "messenger", position=position, actor=BOB))
    found = await book.queries.trace("evt_2")
    assert found is not None
    assert [(leg["status"], leg["at_ms"]) for leg in found["legs"]] == [("posted", 500), ("read", 30)]
    assert found["markers"] == [{"person": BOB.id, "delivered": 5, "read": 5}]


async def test_who_was_in_a_group_when_it_was_said(book: Book) -> None:
    """One who came later, and one who had gone, did not get it; a member did."""
    people = {"people": (ALICE, BOB, CARLA)}
    await book.write(msgspec.structs.replace(noted(Results(id=EventId("evt_0"), results=()), "operator"), **people))
    founded = GroupFounded(id=EventId("evt_g"), conversation=GROUP, actor=ALICE.handles()[0], name="Pasta", members=())
    await book.write(routed(founded, "whatsapp", persons=(ALICE, BOB)))

    async def gets(number: int, person: PersonId, handle: str) -> bool | None:
        event = msgspec.structs.replace(said(number), conversation=GROUP, to=())
        await book.write(routed(event, "whatsapp", position=number, persons=(ALICE,), messenger="post"))
        await book.write(noted(result(f"evt_{number}", "posted"), "messenger"))
        why = await book.queries.why(f"evt_{number}", Handle(handle))
        assert why is not None
        assert (why["person"] == person) is True
        return why["got"]

    bob, carla = BOB.handles()[0], CARLA.handles()[0]
    assert await gets(1, BOB.id, bob) is True
    assert await gets(2, CARLA.id, carla) is False
    gone = Membership(id=EventId("evt_m"), conversation=GROUP, actor=bob, change="leave", who=())
    await book.write(routed(gone, "messenger", persons=(BOB,), actor=BOB))
    assert await gets(3, BOB.id, bob) is False
    before = await book.queries.why("evt_1", bob)
    assert before is not None
    assert before["got"] is True


async def test_what_could_not_be_read_and_what_is_not_text(book: Book) -> None:
    """Parked bytes have a story, too; captions and polls are found by their words."""
    await book.write(
        Entry(
            source="messenger",
            event=msgspec.Raw(b"\xc0"),
            event_id=EventId("evt_p"),
            kind="unknown",
            outcome="parked",
            why="malformed",
        )
    )
    found = await book.queries.trace("evt_p")
    assert found is not None
    assert (found["outcome"], found["legs"][0]["status"], found["shape"]) == ("parked", "failed", "")
    picture = Media(kind="image", sha256="0" * 64, size_bytes=1, mime="image/png", caption=Text(body="Crème brûlée"))
    poll = Poll(question="What shall we eat?", options=("Gnocchi", "Lasagne"))
    for number, content in ((1, picture), (2, poll)):
        event = msgspec.structs.replace(said(number), content=content)
        await book.write(routed(event, "whatsapp", position=number))
    assert [one["shape"] for one in await book.queries.search("creme brul", limit=5)] == ["image"]
    assert [one["shape"] for one in await book.queries.search("lasagne eat", limit=5)] == ["poll"]


@pytest.mark.parametrize(
    ("words", "match"),
    [("", ""), ("!?", ""), ("pasta", '"pasta"*'), ('a"b OR c', '"a""b" "OR" "c"*'), ("NEAR(x)", '"NEAR(x)"*')],
)
def test_anybodys_words_are_no_operators(words: str, match: str) -> None:
    """Quoted, all of them; the last may be a beginning."""
    assert match_of(words) == match
