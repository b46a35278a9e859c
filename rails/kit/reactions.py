"""Answers without words: reactions to messages, votes in polls. Functions of one transaction; each may run twice."""

import msgspec

from rails.kit import accounts, content, groups, messages, outbox, sending
from rails.kit.acts import Acts
from rails.kit.content import Details, Poll
from rails.kit.model import Account, Message, Reacted, Refused, Why
from rails.kit.store import Tx


def react(
    tx: Tx, acts: Acts, *, by: Account, native_id: str, emoji: object, by_partner: bool = False
) -> tuple[Message, str]:
    """`by`'s one reaction to the message (empty: taken back). The message, and an id of the reaction itself.

    Refuses: `not_found`, `unsent`, `bad_request`, `too_old`, `recipient_unavailable`.
    """
    checked = sending.checked_emoji(emoji)
    message, details = _seen(tx, by, native_id)
    event_id = acts.rail.ids.message()
    if details.reactions.get(by.id, "") == checked:
        return message, event_id
    within_ms = acts.rail.abilities.reaction_within_ms
    if within_ms is not None and acts.now_ms() - message.at_ms > within_ms:
        days = within_ms // 86_400_000
        raise Refused(Why.TOO_OLD, f"On {acts.rail.title} one can react to a message for {days} days")
    other = _other(tx, message, by)
    reactions = {who: what for who, what in details.reactions.items() if who != by.id}
    reactions |= {by.id: checked} if checked else {}
    changed = messages.change(
        tx, message, text=message.text, details=msgspec.structs.replace(details, reactions=reactions)
    )
    event = Reacted(message=changed, by=by, other=other, emoji=checked, at_ms=acts.now_ms(), id=event_id)
    told = acts.rail.wire.reacted
    outbox.announce_change(tx, acts.rail, hearer=other, other=by, told=told, event=event, by_partner=by_partner)
    outbox.announce_own(tx, hearer=by, rail=acts.rail, entries=acts.rail.wire.reacted_echo(event))
    acts.push_message(tx, changed, kind="reaction")
    return changed, event_id


def vote(tx: Tx, acts: Acts, *, by: Account, native_id: str, options: object, by_partner: bool = False) -> Message:
    """`by`'s choice in a poll, by places from 0 (none: taken back).

    Refuses: `not_found`, `unsent`, `unsupported` (no poll), `bad_request`, `recipient_unavailable`.
    """
    message, details = _seen(tx, by, native_id)
    if not isinstance(details.content, Poll):
        raise Refused(Why.UNSUPPORTED, "This message is no poll; there is nothing to vote for")
    chosen = _chosen(details.content, options)
    if details.votes.get(by.id, ()) == chosen:
        return message
    other = _other(tx, message, by)
    votes = {who: what for who, what in details.votes.items() if who != by.id}
    votes |= {by.id: chosen} if chosen else {}
    changed = messages.change(tx, message, text=message.text, details=msgspec.structs.replace(details, votes=votes))
    if not by_partner and (by.federated or other.federated):
        now_ms = acts.now_ms()
        value = {
            "native_id": native_id,
            "voter": by.id,
            "author": message.sender_id,
            "peer": message.recipient_id,
            "options": list(chosen),
            "at_ms": now_ms,
        }
        outbox.announce_extension(tx, acts.rail, field="votes", value=value, at_ms=now_ms)
    acts.push_message(tx, changed, kind="vote")
    return changed


def _chosen(poll: Poll, options: object) -> tuple[int, ...]:
    most = len(poll.options) if poll.several else 1
    if not isinstance(options, list | tuple) or len(options) > most:
        raise Refused(Why.BAD_REQUEST, f"options: expected a list of at most {most} places")
    if any(isinstance(o, bool) or not isinstance(o, int) or not 0 <= o < len(poll.options) for o in options):
        raise Refused(Why.BAD_REQUEST, f"options: expected places from 0 to {len(poll.options) - 1}")
    if len(set(options)) != len(options):
        raise Refused(Why.BAD_REQUEST, "options: each place once")
    return tuple(sorted(options))


def _seen(tx: Tx, by: Account, native_id: str) -> tuple[Message, Details]:
    message = messages.by_native_id(tx, native_id)
    if message is None or not groups.sees(tx, message, by.id):
        raise Refused(Why.NOT_FOUND, f"No message {native_id[:100]!r} in a thread of this account")
    details = message.details or content.NOTHING
    if details.unsent:
        raise Refused(Why.UNSENT, "The message was taken back")
    return message, details


def _other(tx: Tx, message: Message, by: Account) -> Account:
    if message.recipient_id == message.thread_id:
        group = accounts.required(tx, message.thread_id)
        groups.must_be_open_to(tx, group, by.id)
        return group
    other_id = message.recipient_id if message.sender_id == by.id else message.sender_id
    if accounts.is_blocked(tx, blocker_id=other_id, blocked_id=by.id):
        raise Refused(Why.RECIPIENT_UNAVAILABLE, "The other one cannot be written to")
    return accounts.required(tx, other_id)
