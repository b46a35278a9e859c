"""Second thoughts: the author changes a message, or takes it back. Functions of one transaction; each may run twice."""

import msgspec

from rails.kit import accounts, content, groups, media, messages, outbox, sending
from rails.kit.acts import Acts
from rails.kit.content import Details, Media
from rails.kit.model import Account, Changed, Kind, Message, Refused, Why
from rails.kit.store import Tx


def edit(
    tx: Tx,
    acts: Acts,
    *,
    author: Account,
    native_id: str,
    text: object,
    plain: bool | None = None,
    by_partner: bool = False,
) -> Message:
    """The message, or its caption, says `text` from now on. `plain`: whether it is to be shown literally.

    Refuses: `not_found`, `not_author`, `unsent`, `unsupported`, `too_long`, `too_old`, `too_many_edits`.
    """
    message = _own(tx, author, native_id)
    details = message.details or content.NOTHING
    abilities = acts.rail.abilities
    if details.unsent:
        raise Refused(Why.UNSENT, "The message was taken back; there is nothing to edit")
    if not content.takes_caption(details.content):
        raise Refused(Why.UNSUPPORTED, "Only texts and captions can be edited; take the message back and send another")
    if isinstance(details.content, Media):
        words = sending.checked_caption(acts.rail, details.content.file.kind, text)
    else:
        words = messages.check_text(acts.rail, text, acts.rail.app_text_limit)
    now_plain = details.plain if plain is None else plain and abilities.has_markup
    if (words, now_plain) == (message.text, details.plain):
        return message
    if acts.now_ms() - message.at_ms > abilities.edit_within_ms:
        minutes = abilities.edit_within_ms // 60_000
        raise Refused(Why.TOO_OLD, f"On {acts.rail.title} a message can be edited for {minutes} minutes; send another")
    if abilities.edit_most is not None and details.edits >= abilities.edit_most:
        raise Refused(Why.TOO_MANY_EDITS, f"{acts.rail.title} takes {abilities.edit_most} edits; send another message")
    recipient = accounts.required(tx, message.recipient_id)
    if recipient.kind is Kind.GROUP:
        groups.must_be_open_to(tx, recipient, author.id)
    if accounts.is_blocked(tx, blocker_id=recipient.id, blocked_id=author.id):
        raise Refused(Why.RECIPIENT_UNAVAILABLE, "The recipient cannot be written to")
    changed = messages.change(tx, message, text=words, details=_edited(details, plain=now_plain))
    _announce(tx, acts, changed, author, recipient, kind="edited", by_partner=by_partner)
    return changed


def _edited(details: Details, *, plain: bool) -> Details:
    """All else stays as it is: when the message is to go, too."""
    return msgspec.structs.replace(details, plain=plain, edits=details.edits + 1)


def unsend(
    tx: Tx, acts: Acts, *, author: Account, native_id: str, by_partner: bool = False, expired: bool = False
) -> Message:
    """The message is taken back, with its media. Refuses: `not_found`, `not_author`, `too_old`.

    `expired`: nobody has changed their mind; its time is over, however old it is.
    """
    message = _own(tx, author, native_id)
    if message.details is not None and message.details.unsent:
        return message
    within_ms = acts.rail.abilities.unsend_within_ms
    if not expired and within_ms is not None and acts.now_ms() - message.at_ms > within_ms:
        hours = within_ms // 3_600_000
        raise Refused(Why.TOO_OLD, f"On {acts.rail.title} a message can be taken back for {hours} hours")
    return _take_back(tx, acts, message, author, by_partner=by_partner)


def end(tx: Tx, acts: Acts, *, message: Message, author: Account) -> Message:
    """The message's time is over: it goes with its media. The partner knows that time itself, and is not told."""
    return _take_back(tx, acts, message, author, by_partner=True)


def _take_back(tx: Tx, acts: Acts, message: Message, author: Account, *, by_partner: bool) -> Message:
    recipient = accounts.required(tx, message.recipient_id)
    changed = messages.change(tx, message, text="", details=Details(unsent=True))
    media.hide(tx, arrival=message.arrival, now_ms=acts.now_ms())
    _announce(tx, acts, changed, author, recipient, kind="unsent", by_partner=by_partner)
    return changed


def _own(tx: Tx, author: Account, native_id: str) -> Message:
    message = messages.by_native_id(tx, native_id)
    if message is None or not groups.sees(tx, message, author.id):
        raise Refused(Why.NOT_FOUND, f"No message {native_id[:100]!r} of this account")
    if message.sender_id != author.id:
        raise Refused(Why.NOT_AUTHOR, "Only its author can change a message or take it back")
    return message


def _announce(
    tx: Tx, acts: Acts, message: Message, author: Account, recipient: Account, *, kind: str, by_partner: bool
) -> None:
    rail = acts.rail
    event = Changed(
        message=message,
        author=author,
        recipient=recipient,
        at_ms=acts.now_ms(),
        id=rail.ids.message(),
        urls=acts.urls(message),
    )
    told = rail.wire.edited if kind == "edited" else rail.wire.unsent
    outbox.announce_change(tx, rail, hearer=recipient, other=author, told=told, event=event, by_partner=by_partner)
    partner_hears = not by_partner and (author.federated or recipient.federated)
    if kind == "unsent" and partner_hears and not told(event):
        value = {"native_id": message.native_id, "author": author.id, "peer": recipient.id, "at_ms": event.at_ms}
        outbox.announce_extension(tx, rail, field="unsends", value=value, at_ms=event.at_ms)
    acts.push_message(tx, message, kind=kind)
