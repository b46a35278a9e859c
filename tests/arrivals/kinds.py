"""Every kind of thing that people send or do, as the app of their rail lets them; what cannot be sent there is None.

`KINDS` is the order of the table in docs/rails.md. A kind is sent by the writer of one rail to the reader's account on
another; what arrives is looked at on both others.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from schemas.events import LegResult
from tests.arrivals.town import Arrived, Shown, Town
from tests.conformance.samples import FILES, ZIP
from tests.integration.bridges.conftest import Phone
from tests.integration.rails.samples import WEBP_ANIMATED, png

Body = dict[str, Any]
Says = Callable[[Phone], Awaitable[Body | None]]
"""What is posted, once its files are uploaded."""
HEART: Final = "❤️"
FAMILY: Final = "👨‍👩‍👧‍👦"
LONG: Final = f"{FAMILY} at home " * 312 + "end home"
"""5,000 characters."""
MARKED: Final = "*bold* _italic_ ~strike~ `code`\n> he said\n- milk\n1. first"


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Something done to a message: a call of the Client API, and the event that it becomes (none: nothing is told)."""

    kind: str
    method: str
    path: str = ""
    body: Body | None = None


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table. `only`: the rails whose people have it; `aged_days`: how old the copies are for the acts."""

    says: Says
    acts: tuple[Act, ...] = ()
    only: tuple[str, ...] = ()
    aged_days: int = 0


# --- what is said ----------------------------------------------------------------------------------------------------


def text(body: str, **more: Any) -> Says:
    """A text."""

    async def says(_phone: Phone) -> Body:
        return {"text": body, **more}

    return says


def content(**what: Any) -> Says:
    """Content without files."""

    async def says(_phone: Phone) -> Body:
        return {"content": what}

    return says


def file(kind: str, body: bytes, called: str, **more: Any) -> Says:
    """A file."""

    async def says(phone: Phone) -> Body | None:
        media_id = await _uploaded(phone, body, called)
        return {"content": {"type": kind, "media_id": media_id, **more}}

    return says


def sample(kind: str, **more: Any) -> Says:
    """The sample file of a kind."""
    mime, body = FILES[kind]  # type: ignore[index]
    return file(kind, body, f"{kind}.{mime.partition('/')[2]}", **more)


async def _album(phone: Phone) -> Body | None:
    items = [{"type": "image", "media_id": await _uploaded(phone, png(shade), f"{shade}.png")} for shade in (1, 2, 3)]
    return {"content": {"type": "album", "items": items}}


async def _uploaded(phone: Phone, body: bytes, name: str) -> str:
    status, told = await phone.call("POST", "media", params={"name": name}, data=body)
    assert status == 201, told
    return str(told["media_id"])


def edit(words: str) -> Act:
    """The author says it otherwise."""
    return Act(kind="edit", method="PATCH", body={"text": words})


def react(emoji: str) -> Act:
    """The author likes what they wrote themselves, or no longer."""
    return Act(kind="reaction", method="PUT", path="/reaction", body={"emoji": emoji})


UNSEND: Final = Act(kind="unsend", method="DELETE")
PLACE: Final = content(type="location", latitude=45.4642, longitude=9.19, name="Duomo", address="Milano")
CARD: Final = content(type="contacts", cards=[{"name": "Carla Verdi", "phones": ["+393336667777"]}])
POLL: Final = content(type="poll", question="Lunch?", options=["Pizza", "Sushi"])

KINDS: Final[Mapping[str, Kind]] = {
    "text": Kind(says=text("Ciao, come stai?")),
    "text that looks like markup": Kind(says=text("2 *3* is _six_"), only=("messenger", "instagram")),
    "text with formatting": Kind(says=text(MARKED), only=("whatsapp",)),
    "text of 5,000 characters": Kind(says=text(LONG)),
    "link with a preview": Kind(says=text("See https://x.example/a", preview=True), only=("whatsapp",)),
    "answer": Kind(says=text("In answer.")),
    "forwarded text": Kind(says=text("Pass it on.", forwarded=1)),
    "image": Kind(says=sample("image")),
    "image with a caption": Kind(says=sample("image", caption="at sea")),
    "image of 6 MB": Kind(says=file("image", png(9) + bytes(6_000_000), "large.png")),
    "video": Kind(says=sample("video")),
    "sound": Kind(says=sample("audio")),
    "voice note": Kind(says=sample("voice")),
    "document (pdf)": Kind(says=sample("document", name="menu.pdf")),
    "document (zip)": Kind(says=file("document", ZIP[1], "all.zip", name="all.zip")),
    "sticker": Kind(says=sample("sticker")),
    "sticker that moves": Kind(says=file("sticker", WEBP_ANIMATED, "wave.webp")),
    "album of three pictures": Kind(says=_album),
    "heart": Kind(says=content(type="like_heart")),
    "location": Kind(says=PLACE),
    "contact": Kind(says=CARD),
    "poll": Kind(says=POLL),
    "vote": Kind(says=POLL, acts=(Act(kind="vote", method="PUT", path="/vote", body={"options": [1]}),)),
    "edit": Kind(says=text("At seven."), acts=(edit("At eight."),)),
    "edit of a caption": Kind(says=sample("image", caption="at se"), acts=(edit("at sea"),)),
    "edit of a long text": Kind(says=text(LONG), acts=(edit(LONG[::-1]),)),
    "sixth edit": Kind(says=text("At 1."), acts=tuple(edit(f"At {hour}.") for hour in range(2, 8))),
    "edit after a day": Kind(says=text("At nine."), acts=(edit("At ten."),), aged_days=1),
    "unsend": Kind(says=text("Forget it."), acts=(UNSEND,)),
    "unsend of a photo with a caption": Kind(says=sample("image", caption="not this one"), acts=(UNSEND,)),
    "unsend after three days": Kind(says=text("Long ago."), acts=(UNSEND,), aged_days=3),
    "reaction": Kind(says=text("A parrot."), acts=(react("🦜"),)),
    "another reaction": Kind(says=text("A bird."), acts=(react("👍"), react("🦜"))),
    "reaction taken back": Kind(says=text("A fish."), acts=(react("👍"), react(""))),
    "reaction after a month": Kind(says=text("Older."), acts=(react("👍"),), aged_days=31),
}


# --- sending and looking ---------------------------------------------------------------------------------------------


async def observe(town: Town, kind: str, rail: str, to: str) -> dict[str, Arrived] | None:
    """Send it from a rail to the reader's account on `to`; what arrives on both others. None: it cannot be sent."""
    row = KINDS[kind]
    if row.only and rail not in row.only:
        return None
    body = await row.says(town.writers[rail])
    if body is not None and kind == "answer":
        body["reply_to"] = await _posted(town, rail, to, {"text": "What is it?"})
    native_id = await _posted(town, rail, to, body) if body is not None else None
    if native_id is None:
        return None
    event = await town.message(rail, native_id)
    copies = {other: Copy(other, result) for other, result in (await town.results(rail, event)).items()}
    for copy in copies.values() if row.aged_days else ():
        await town.age(copy.rail, copy.ids, days=row.aged_days)
    for number, act in enumerate(row.acts):
        status, told = await town.writers[rail].call(act.method, f"messages/{native_id}{act.path}", json=act.body)
        if status != 200:
            assert told["error"]["code"] in {"too_many_edits", "unsupported"}, told
            return None
        times = sum(one.kind == act.kind for one in row.acts[: number + 1])
        for other, result in (await town.results(rail, await town.done_to(rail, act.kind, event, times))).items():
            assert result.status == "posted", result
            copies[other].add(result)
    return {copy.rail: await _look(town, rail, native_id, copy) for copy in copies.values()}


class Copy:
    """A message on another rail: its native ids there, and what is lost of it, after all that was done to it."""

    def __init__(self, rail: str, result: LegResult) -> None:
        self.rail = rail
        self.ids, self.lost = list(result.native_ids), list(result.lost)

    def add(self, result: LegResult) -> None:
        """Something was done to it."""
        self.ids += [one for one in result.native_ids if one not in self.ids]
        self.lost += [phrase for phrase in result.lost if phrase not in self.lost]


async def _posted(town: Town, rail: str, to: str, body: Body) -> str | None:
    status, told = await town.writers[rail].call("POST", "messages", json={"to": town.address(rail, to), **body})
    if status == 201:
        return str(told["native_id"])
    assert told["error"]["code"] in {"unsupported", "too_large"}, told
    return None


async def _look(town: Town, rail: str, native_id: str, copy: Copy) -> Arrived:
    inbox = await town.inbox(rail, copy.rail)
    mine = {message["native_id"]: message for message in await town.writers[rail].inbox(town.address(rail))}
    messages = [inbox[one] for one in copy.ids]
    is_whole = "".join(one["text"] for one in messages) == mine[native_id]["text"] != ""
    return Arrived(
        messages=tuple(messages),
        lost=tuple(copy.lost),
        is_same=len(messages) == 1 and looks(messages[0], inbox) == looks(mine[native_id], mine),
        is_whole=is_whole and all(one["content"] is None for one in messages),
    )


def looks(message: Shown, inbox: Mapping[str, Shown]) -> Body:
    """All that somebody sees of a message, without the names that the rail has for things; a heart is its emoji."""
    answered = inbox.get(message["reply_to"] or "")
    if message["content"] == {"type": "like_heart"}:
        message = {**message, "content": None, "text": HEART}
    told = {key: message[key] for key in ("text", "edited", "unsent", "reactions", "votes", "forwarded", "preview")}
    return {**told, "content": _bare(message["content"]), "answers": answered and answered["text"]}


def _bare(what: Any) -> Any:
    if isinstance(what, dict):
        return {key: _bare(value) for key, value in what.items() if key not in ("media_id", "name", "caption")}
    return [_bare(item) for item in what] if isinstance(what, list) else what
