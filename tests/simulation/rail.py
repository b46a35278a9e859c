"""A rail without its sockets: its real store's schema, its real acts, its real Platform API within a transaction."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from bridges.kit import extension
from bridges.kit.contract import Call
from bridges.kit.rail import Answer, Unanswered
from rails.catalogue import BUNDLED
from rails.kit import accounts, edits, federation, listing, reactions
from rails.kit.acts import Acts
from rails.kit.edges import Call as RailCall
from rails.kit.faults import Faults
from rails.kit.graph import GraphApi
from rails.kit.links import MediaLinks
from rails.kit.metrics import Metrics
from rails.kit.model import Account, Kind, Message
from rails.kit.outbox import PARTNER, updates_of
from rails.kit.partner import of_one_post
from rails.kit.store import Tx, check

T = TypeVar("T")
TOKEN, SECRET = "partner-token", "partner-secret"


def template(folder: Path, name: str) -> sqlite3.Connection:
    """An empty rail's file, as the rail makes it."""
    path = folder / f"{name}.sqlite3"
    made = sqlite3.connect(path, isolation_level=None)
    check(made, path)
    return made


class SimRail:
    """One rail. `now_ms`: its clock."""

    def __init__(self, name: str, empty: sqlite3.Connection, now_ms: Callable[[], int]) -> None:
        self.name = name
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        empty.backup(self.db)
        self.db.execute("PRAGMA foreign_keys = ON")
        links = MediaLinks(secret=SECRET, origin=lambda: "http://127.0.0.1:9", now_ms=now_ms)
        self.acts = Acts(rail=BUNDLED[name], is_listening=lambda _: False, now_ms=now_ms, links=links)
        nothing = cast("Any", None)  # what a call within a transaction has no use for
        self.graph = GraphApi(
            store=nothing,
            acts=self.acts,
            subscriptions=nothing,
            faults=Faults(),
            metrics=Metrics(rail=name),
            partner_token=TOKEN,
            partner_secret=SECRET,
            files=nothing,
            fetcher=nothing,
        )
        self.do(
            lambda tx: federation.subscribe(
                tx, callback_url="http://127.0.0.1:9", verify_token="-", resolve_url="http://127.0.0.1:9"
            )
        )
        self.losing: list[str] = []
        """What becomes of the next calls: `before` they are carried out, or `after`, their answer is lost."""

    def do(self, act: Callable[[Tx], T]) -> T:
        self.db.execute("BEGIN IMMEDIATE")
        try:
            found = act(Tx(self.db))
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")
        return found

    # --- people's apps ---

    def register(self, address: str, name: str) -> Account:
        def register(tx: Tx) -> Account:
            made = accounts.register(
                tx,
                self.acts.rail,
                address=address,
                name=name,
                kind=Kind.PERSON,
                federated=True,
                now_ms=self.acts.now_ms(),
            )
            self.acts.announce_account(tx, made)
            return made

        return self.do(register)

    def post(self, sender: str, recipient: str, text: str, reply_to: str | None) -> str:
        def post(tx: Tx) -> Message:
            one, other = accounts.required(tx, sender), accounts.required(tx, recipient)
            return self.acts.post(tx, sender=one, recipient=other, text=text, reply_to=reply_to)

        return self.do(post).native_id

    def edit(self, author: str, native_id: str, text: str) -> None:
        self.do(
            lambda tx: edits.edit(tx, self.acts, author=accounts.required(tx, author), native_id=native_id, text=text)
        )

    def unsend(self, author: str, native_id: str) -> None:
        self.do(lambda tx: edits.unsend(tx, self.acts, author=accounts.required(tx, author), native_id=native_id))

    def react(self, by: str, native_id: str, emoji: str) -> None:
        self.do(
            lambda tx: reactions.react(tx, self.acts, by=accounts.required(tx, by), native_id=native_id, emoji=emoji)
        )

    def read(self, reader: str, author: str) -> None:
        self.do(
            lambda tx: self.acts.read(
                tx, reader=accounts.required(tx, reader), author=accounts.required(tx, author), up_to=None
            )
        )

    def thread(self, one: str, other: str) -> list[tuple[str, str, bool, bool]]:
        """Text, sender, whether it is read and whether it failed, of each message between two, in view order."""
        rows = self.db.execute(
            "SELECT text, sender_id, read_at_ms IS NOT NULL, error_code IS NOT NULL FROM messages"
            " WHERE (sender_id, recipient_id) IN (VALUES (?, ?), (?, ?)) ORDER BY rank, arrival",
            (one, other, other, one),
        )
        return [(text, sender, bool(is_read), bool(failed)) for text, sender, is_read, failed in rows]

    def shown(self, native_ids: list[str]) -> list[dict[str, Any]]:
        """Messages as ``POST /federation/shown`` tells of them."""
        found: list[dict[str, Any]] = self.do(lambda tx: listing.shown(tx, native_ids))["messages"]
        return found

    # --- webhooks ---

    def waiting(self) -> int:
        return int(self.db.execute("SELECT count(*) FROM outbox WHERE target = ?", (PARTNER,)).fetchone()[0])

    def webhook(self, most: int, *, swapped: bool = False) -> tuple[bytes, list[int]]:
        """The next POST to the partner, and what is taken when it is answered 200."""
        batch = of_one_post(self.do(lambda tx: updates_of(tx, PARTNER, limit=most)))
        ids = [update.id for update in batch]
        if swapped:
            batch = batch[::-1]
        entries = ",".join(update.entry for update in batch)
        return f'{{"object":"{batch[0].kind}","entry":[{entries}]}}'.encode("ascii"), ids

    def taken(self, ids: list[int]) -> None:
        self.db.executemany("DELETE FROM outbox WHERE id = ?", [(one,) for one in ids])

    # --- the bridge's calls: where `bridges.kit.rail.RailClient` stands ---

    async def ask(self, call: Call) -> Answer:
        return (await self.ask_many([call]))[0]

    async def ask_many(self, calls: list[Call]) -> list[Answer]:
        lost = self.losing.pop() if self.losing else ""
        if lost == "before":
            raise Unanswered("lost on the way there")
        found = self.carry_out(calls)
        if lost == "after":
            raise Unanswered("lost on the way back")
        return found

    def carry_out(self, calls: list[Call]) -> list[Answer]:
        """Calls of the bridge, in one batch."""
        body = json.loads(msgspec.json.encode(extension.batch(calls).body))
        outer = RailCall(method="POST", segments=("federation", "batch"), query={}, body=body, token=TOKEN)
        answer = self.do(lambda tx: self.graph.within(tx, outer))
        found = extension.read_batch(json.dumps(answer).encode())
        return [Answer(status=status, body=told) for status, told in found]
