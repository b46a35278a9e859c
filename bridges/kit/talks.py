"""Which conversation an account's thread with somebody is, as of now, and who is in it.

For what is said of a conversation rather than of one of its messages: who is writing in it (`live`), and who has marked
it as unread (`intake`).
"""

from typing import NamedTuple

from bridges.kit import apart, groups, receipts
from bridges.kit.accounts import Accounts
from bus.sqlite import Store
from schemas.events import Marked
from schemas.handles import Handle
from schemas.ids import ConversationId, PersonId, RailName, direct_conversation_id, event_id
from schemas.markers import Mark


class Talk(NamedTuple):
    """Who, where, and with whom (empty in a group)."""

    actor: Handle
    person: PersonId
    conversation: ConversationId
    to: PersonId


async def find(store: Store, accounts: Accounts, *, actor: str, peer: str) -> Talk | None:
    """The conversation of two native ids, `peer` perhaps a group's. None: a ghost's, or a group nobody has heard of."""
    is_group = receipts.is_group(peer)
    found = await accounts.get_many([actor] if is_group else [actor, peer])
    one, other = found.get(actor), found.get(peer)
    if one is None or one.is_ghost or (other is None and not is_group):
        return None
    person = await accounts.person_of(one)
    if other is not None and not apart.group_of(other):
        to = await accounts.person_of(other)
        return Talk(one.handle, person, direct_conversation_id(person, to), to)
    conversation: ConversationId | None
    if other is not None:
        conversation = ConversationId(apart.group_of(other))
    else:
        native_id = receipts.native_peer(peer)
        conversation = await store.write(lambda tx: groups.conversation_of(tx, native_id), durable=False)
    return None if conversation is None else Talk(one.handle, person, conversation, PersonId(""))


def marked(rail: RailName, talk: Talk, *, mark: Mark, on: bool, epoch: int) -> Marked:
    """The event of a mark made there."""
    name = event_id(rail, "mark", talk.conversation, talk.actor, mark, str(epoch), str(on))
    return Marked(id=name, conversation=talk.conversation, actor=talk.actor, mark=mark, on=on, epoch=epoch)
