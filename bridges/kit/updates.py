"""Updates of a webhook before they are claimed: whom they name, and in which order they are taken. Pure."""

from collections.abc import Sequence

from bridges.kit import receipts
from bridges.kit.contract import (
    Lasting,
    Native,
    NativeBlock,
    NativeEdit,
    NativeGroup,
    NativeMessage,
    NativeReaction,
    NativeReceipt,
    NativeTimer,
    NativeUnsend,
    NativeVote,
)


def named(update: Lasting) -> tuple[str, ...]:
    """The accounts that have to be known before an update can be claimed."""
    match update:
        case NativeMessage():
            return (update.author,) if receipts.is_group(update.recipient) else (update.author, update.recipient)
        case NativeGroup():
            return (update.by, *update.who)
        case NativeBlock():
            return (update.blocker, update.blocked)
        case NativeReceipt():
            return (update.reader,)
        case NativeEdit() | NativeUnsend() | NativeReaction() | NativeVote() | NativeTimer():
            return (update.actor,)
        case _:
            return ()


def in_order(updates: Sequence[Native]) -> list[Native]:
    """The updates; the messages of each thread in the order of the rail's time, in the places they have together."""
    threads: dict[str, list[NativeMessage]] = {}
    for update in updates:
        if isinstance(update, NativeMessage):
            threads.setdefault(receipts.thread_of(update.author, update.recipient), []).append(update)
    turns = {name: iter(sorted(found, key=lambda one: one.at_ms)) for name, found in threads.items()}
    return [
        next(turns[receipts.thread_of(one.author, one.recipient)]) if isinstance(one, NativeMessage) else one
        for one in updates
    ]
