"""What an account can do on a rail, with everything that follows from it: post, read, receive, fail, rank, block.

Each is one function of one transaction: it changes the store, writes the webhooks into the outbox and notes what
the open sockets are to be told. The Client API, the Platform API and the federation extension all come through here, so
a message is the same message whichever door it came in by.
"""

from collections.abc import Callable

from rails.kit import accounts, content, filing, groups, media, messages, outbox
from rails.kit.content import Details
from rails.kit.links import MediaLinks
from rails.kit.model import Account, Failed, Kind, Message, Posted, Received, Refused, Status, Why
from rails.kit.presence import Presences
from rails.kit.rail import Rail
from rails.kit.showing import Showing
from rails.kit.store import Tx


class Acts:
    """The acts of one rail. `is_listening(account id)`: has it an open socket; asked on the writer's thread."""

    def __init__(
        self, *, rail: Rail, is_listening: Callable[[str], bool], now_ms: Callable[[], int], links: MediaLinks
    ) -> None:
        self.rail = rail
        self.now_ms = now_ms
        self.links = links
        self._is_listening = is_listening
        self.presences = Presences()

    def post(
        self,
        tx: Tx,
        *,
        sender: Account,
        recipient: Account,
        text: str,
        by_partner: bool = False,
        sent_at_ms: int | None = None,
        rank: int | None = None,
        reply_to: str | None = None,
        opaque: str | None = None,
        details: Details | None = None,
    ) -> Message:
        """Say `text`, or show the content of `details` with `text` as its caption; see `messages.post` for refusals.

        Each door has checked the text against its own limit before.
        """
        shown_files = () if details is None else content.files(details.content)
        message, is_late = messages.post(
            tx,
            self.rail,
            sender=sender,
            recipient=recipient,
            text=text,
            now_ms=self.now_ms(),
            sent_at_ms=sent_at_ms,
            rank=rank,
            reply_to=reply_to,
            opaque=opaque,
            details=details,
        )
        if shown_files:
            media.show(tx, shown_files, arrival=message.arrival)
        reply_author = None
        if reply_to is not None and (replied := messages.by_native_id(tx, reply_to)) is not None:
            reply_author = accounts.required(tx, replied.sender_id)
        event = Posted(
            message=message,
            sender=sender,
            recipient=recipient,
            by_partner=by_partner,
            reply_author=reply_author,
            urls=self.urls(message) if shown_files else {},
        )
        outbox.announce_posted(tx, self.rail, event)
        self.push_message(tx, message, kind="message")
        if is_late:
            self._push_order(tx, message)
        if self.rail.shows_delivered and recipient.kind is Kind.PERSON and self._is_listening(recipient.id):
            got = messages.mark_these_delivered(tx, reader_id=recipient.id, native_ids=[message.native_id])
            self._announce_received(tx, Status.DELIVERED, reader=recipient, author=sender, got=got, by_partner=False)
        return message

    def push_message(self, tx: Tx, message: Message, *, kind: str) -> None:
        """Everybody in its thread sees the message as it is now. `kind`: of the event."""
        showing = Showing(tx, has_markup=self.rail.abilities.has_markup)
        thread = {} if kind == "message" else {"thread": message.thread_id}
        for viewer_id in self.viewers(tx, message):
            told = showing.message(message, viewer_id=viewer_id)
            tx.push(viewer_id, {"type": kind, **thread, "message": told})

    def viewers(self, tx: Tx, message: Message) -> list[str]:
        """Who is shown a message now."""
        if message.recipient_id != message.thread_id:
            return [message.sender_id, message.recipient_id]
        group = groups.required(tx, message.thread_id)
        return [member for member in group.roles if groups.sees(tx, message, member)]

    def read(
        self,
        tx: Tx,
        *,
        reader: Account,
        author: Account,
        up_to: str | None,
        shown_to_author: bool = True,
        by_partner: bool = False,
    ) -> int:
        """`reader` has read the thread with `author`, or a group, up to there. How many messages that newly is."""
        if not by_partner:
            filing.mark(tx, self.rail, account=reader, peer=author, mark="unread", on=False, at_ms=self.now_ms())
        if author.kind is Kind.GROUP:
            shown = shown_to_author
            return self._read_group(tx, reader=reader, group=author, up_to=up_to, shown=shown, by_partner=by_partner)
        thread_id = messages.direct_thread_id(reader.id, author.id)
        got = messages.mark_read(
            tx,
            reader_id=reader.id,
            thread_id=thread_id,
            up_to=_in_thread(tx, up_to, thread_id),
            shown=shown_to_author,
            now_ms=self.now_ms(),
        )
        if got:
            tx.push(reader.id, {"type": "read", "thread": thread_id, "up_to": got[-1].native_id})
        if got and shown_to_author:
            self._announce_received(tx, Status.READ, reader=reader, author=author, got=got, by_partner=by_partner)
        return len(got)

    def _read_group(
        self, tx: Tx, *, reader: Account, group: Account, up_to: str | None, shown: bool, by_partner: bool
    ) -> int:
        if not groups.has_known(tx, group.id, reader.id):
            raise Refused(Why.NOT_FOUND, f"No group here of this account has the id {group.id[:100]!r}")
        up_to_message = _in_thread(tx, up_to, group.id)
        count, last = messages.mark_group_read(
            tx, group_id=group.id, reader_id=reader.id, up_to=up_to_message, shown=shown
        )
        if last is None:
            return 0
        tx.push(reader.id, {"type": "read", "thread": group.id, "up_to": last.native_id})
        if shown:
            event = Received(
                status=Status.READ,
                reader=reader,
                author=group,
                messages=(last,),
                at_ms=self.now_ms(),
                by_partner=by_partner,
            )
            outbox.announce_received(tx, self.rail, event)
            told = {"type": "receipt", "thread": group.id, "by": reader.handle, "status": "read"}
            for member in groups.required(tx, group.id).roles:
                if member != reader.id:
                    tx.push(member, {**told, "up_to": last.native_id})
        return count

    def deliver(self, tx: Tx, *, reader: Account, author: Account, up_to: str | None, by_partner: bool) -> None:
        """The thread with `author` has reached `reader` up to there."""
        if not self.rail.shows_delivered or author.kind is Kind.GROUP:
            return
        thread_id = messages.direct_thread_id(reader.id, author.id)
        up_to_message = _in_thread(tx, up_to, thread_id)
        got = messages.mark_delivered(tx, reader_id=reader.id, thread_id=thread_id, up_to=up_to_message)
        self._announce_received(tx, Status.DELIVERED, reader=reader, author=author, got=got, by_partner=by_partner)

    def deliver_these(self, tx: Tx, *, reader: Account, native_ids: list[str]) -> None:
        """The reader's client (or a business's webhook) has these messages now."""
        if not self.rail.shows_delivered:
            return
        by_author: dict[str, list[Message]] = {}
        for message in messages.mark_these_delivered(tx, reader_id=reader.id, native_ids=native_ids):
            by_author.setdefault(message.sender_id, []).append(message)
        for author_id, got in by_author.items():
            author = accounts.required(tx, author_id)
            self._announce_received(tx, Status.DELIVERED, reader=reader, author=author, got=got, by_partner=False)

    def deliver_waiting(self, tx: Tx, *, reader: Account) -> None:
        """The reader's client has come online."""
        for thread_id in messages.threads_waiting(tx, reader.id) if self.rail.shows_delivered else ():
            other_id = messages.other_member(tx, thread_id=thread_id, account_id=reader.id)
            if other_id is not None:
                self.deliver(tx, reader=reader, author=accounts.required(tx, other_id), up_to=None, by_partner=False)

    def fail(self, tx: Tx, *, native_id: str, code: str, reason: str) -> None:
        """The message did not arrive; its sender is told. A message that has arrived already stays so."""
        if messages.by_native_id(tx, native_id) is None:
            raise Refused(Why.NOT_FOUND, f"No message {native_id[:100]!r} here")
        message = messages.fail(tx, native_id=native_id, code=code, reason=reason)
        if message is None:
            return
        author = accounts.required(tx, message.sender_id)
        recipient = accounts.required(tx, message.recipient_id)
        error = {"code": code, "message": reason}
        tx.push(author.id, {"type": "failed", "native_id": native_id, "error": error})
        event = Failed(
            message=message, author=author, recipient=recipient, code=code, reason=reason, at_ms=self.now_ms()
        )
        outbox.announce_failed(tx, self.rail, event)

    def rank(self, tx: Tx, orders: dict[str, int]) -> int:
        """Set many ranks; unknown ids are skipped. How many messages there were."""
        known = 0
        moved: dict[str, Message] = {}
        for native_id, rank in orders.items():
            message = messages.by_native_id(tx, native_id)
            if message is None:
                continue
            known += 1
            if messages.set_rank(tx, message=message, rank=rank):
                moved[message.thread_id] = message
        for message in moved.values():
            self._push_order(tx, message)
        return known

    def block(self, tx: Tx, *, blocker: Account, blocked: Account, on: bool, by_partner: bool) -> None:
        """`blocked` cannot write to `blocker`, or can again."""
        changed = accounts.set_block(tx, blocker_id=blocker.id, blocked_id=blocked.id, on=on)
        if changed and not by_partner and (blocker.federated or blocked.federated):
            value = {"blocker": blocker.id, "blocked": blocked.id, "on": on}
            outbox.announce_extension(tx, self.rail, field="blocks", value=value, at_ms=self.now_ms())

    def typing(self, tx: Tx, *, by: Account, to: Account, on: bool, by_partner: bool) -> None:
        """Shown to who has an open socket, and told to the partner while it is there; never kept for later."""
        if accounts.is_blocked(tx, blocker_id=to.id, blocked_id=by.id):
            return
        thread_id = messages.thread_of(by, to)
        told = {"type": "typing", "thread": thread_id, "by": by.handle, "on": on}
        if to.kind is Kind.GROUP:
            groups.must_be_open_to(tx, to, by.id)
        for member in groups.required(tx, to.id).roles if to.kind is Kind.GROUP else (to.id,):
            if member != by.id:
                tx.push(member, told)
        if not by_partner and (by.federated or to.federated) and not outbox.partner_is_away(tx):
            value = {"node": by.id, "peer": to.id, "on": on}
            outbox.announce_extension(tx, self.rail, field="typing", value=value, at_ms=self.now_ms())

    def urls(self, message: Message) -> dict[str, str]:
        """Where the message's files can be fetched, by media id."""
        return media.urls(message.details, self.links.url)

    def announce_account(self, tx: Tx, account: Account) -> None:
        """The partner hears of a new or changed account."""
        outbox.announce_extension(tx, self.rail, field="accounts", value=account.public(), at_ms=self.now_ms())

    def _announce_received(
        self, tx: Tx, status: Status, *, reader: Account, author: Account, got: list[Message], by_partner: bool
    ) -> None:
        if not got:
            return
        event = Received(
            status=status,
            reader=reader,
            author=author,
            messages=tuple(got),
            at_ms=self.now_ms(),
            by_partner=by_partner,
        )
        outbox.announce_received(tx, self.rail, event)
        tx.push(
            author.id,
            {
                "type": "receipt",
                "thread": got[-1].thread_id,
                "by": reader.handle,
                "status": status.name.lower(),
                "up_to": got[-1].native_id,
            },
        )

    def _push_order(self, tx: Tx, message: Message) -> None:
        for member in self.viewers(tx, message):
            tx.push(member, {"type": "order", "thread": message.thread_id})


def _in_thread(tx: Tx, native_id: str | None, thread_id: str) -> Message | None:
    if native_id is None:
        return None
    message = messages.by_native_id(tx, native_id)
    if message is None or message.thread_id != thread_id:
        raise Refused(Why.NOT_FOUND, f"up_to: no message {native_id[:100]!r} in this thread")
    return message
