"""`MESSAGE` of docs/rail-api.md: what one account is shown of a message. Functions of one transaction."""

from typing import Any

from rails.kit import accounts, content, groups
from rails.kit.groups import Group
from rails.kit.model import Account, Kind, Message, Status
from rails.kit.store import Tx


class Showing:
    """Shows messages; what it has looked up it remembers, so it is for one transaction."""

    def __init__(self, tx: Tx, *, has_markup: bool) -> None:
        self._tx, self._has_markup = tx, has_markup
        self._people: dict[str, Account] = {}
        self._groups: dict[str, tuple[Group, dict[str, tuple[int, int, bool]]]] = {}

    def message(self, message: Message, *, viewer_id: str) -> dict[str, Any]:
        """A message as the viewer sees it."""
        sender, recipient = self._person(message.sender_id), self._person(message.recipient_id)
        is_mine = message.sender_id == viewer_id
        error = None
        if message.status is Status.FAILED:
            error = {"code": message.error_code, "message": message.error_message}
        shown = {
            "native_id": message.native_id,
            "thread": message.thread_id,
            "arrival": message.arrival,
            "rank": message.rank,
            "from": sender.handle,
            "to": recipient.handle,
            "text": message.text,
            "direction": "out" if is_mine else "in",
            "sent_at_ms": message.sent_at_ms,
            "read": message.status is Status.READ if is_mine else message.read_at_ms is not None,
            "status": message.status.name.lower(),
            "error": error,
            "reply_to": message.reply_to,
            **content.members(message.details, message.text, self._handles(message), has_markup=self._has_markup),
        }
        return shown if recipient.kind is not Kind.GROUP else shown | self._in_group(message, viewer_id)

    def _in_group(self, message: Message, viewer_id: str) -> dict[str, Any]:
        """Who has read it, and so how far it has come; receipts that somebody does not give are not shown."""
        group, marks = self._group(message.recipient_id)
        place = (message.rank, message.arrival)
        readers = [
            account
            for account, (rank, arrival, is_shown) in marks.items()
            if is_shown and account != message.sender_id and (rank, arrival) >= place and account in group.roles
        ]
        others = group.roles.keys() - {message.sender_id}
        status = message.status
        if status is Status.SENT and others and others <= set(readers):
            status = Status.READ
        rank, arrival, _ = marks.get(viewer_id, (-1, -1, False))
        is_mine = message.sender_id == viewer_id
        return {
            "to": group.id,
            "status": status.name.lower(),
            "read": status is Status.READ if is_mine else (rank, arrival) >= place,
            "read_by": sorted(self._person(reader).handle for reader in readers),
        }

    def _handles(self, message: Message) -> dict[str, str]:
        if message.details is None:
            return {}
        named = message.details.reactions.keys() | message.details.votes.keys()
        return {ident: self._person(ident).handle for ident in named}

    def _person(self, ident: str) -> Account:
        if ident not in self._people:
            self._people[ident] = accounts.required(self._tx, ident)
        return self._people[ident]

    def _group(self, ident: str) -> tuple[Group, dict[str, tuple[int, int, bool]]]:
        if ident not in self._groups:
            self._groups[ident] = groups.required(self._tx, ident), groups.marks(self._tx, ident)
        return self._groups[ident]
