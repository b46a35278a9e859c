"""A partition's conversations: a bounded memory, written behind to KV STATE, with the checkpoint they stand for.

What the log has is the truth; a snapshot only shortens what a new owner must fold. States that changed since their
snapshot are kept in memory until they are written (`flush`), the others may be forgotten and are loaded when needed.
The checkpoint is a log sequence: every conversation changed up to it has a snapshot at least that new.
"""

import asyncio
from collections.abc import Iterable, Mapping

import msgspec
import structlog

from bus.connection import Connection
from bus.kv import Bucket, Entry, RevisionChanged
from bus.subjects import STATE
from schemas.codec import decode_conversation, encode
from schemas.ids import ConversationId
from schemas.log import Conversation

_SIDE_BY_SIDE = 64
_LONGEST_ID = 64

_log = structlog.get_logger(__name__)


class NotLoaded(LookupError):
    """This conversation has to be loaded before it can be looked up: None would give its positions anew."""


class States:
    """The conversations of one partition, as far as they are committed."""

    def __init__(self, conn: Connection, *, partition: int, most: int = 50_000) -> None:
        self._bucket, self._partition, self._most = Bucket(conn, STATE), partition, most
        self._clean: dict[ConversationId, Conversation | None] = {}
        self._changed: dict[ConversationId, Conversation] = {}
        self._revisions: dict[ConversationId, int] = {}
        self._flushing = asyncio.Lock()
        self._written = 0
        self.folded = 0
        """The log sequence up to which the states are folded."""

    @property
    def unwritten(self) -> int:
        """How many conversations have changed since their snapshot."""
        return len(self._changed)

    def get(self, conversation: ConversationId) -> Conversation | None:
        """The committed state, None when nothing has been said. Raises `NotLoaded`."""
        changed = self._changed.get(conversation)
        if changed is not None:
            return changed
        try:
            return self._clean[conversation]
        except KeyError:
            if _may_be(conversation):
                raise NotLoaded(conversation) from None
            return None

    async def load(self, conversations: Iterable[ConversationId]) -> None:
        """Have these in memory. Asks the bus only for those that are not."""
        self._trim()  # before looking what is missing, so that nothing of this batch is forgotten
        keys = {
            self._key(conversation): conversation
            for conversation in conversations
            if conversation not in self._changed and conversation not in self._clean and _may_be(conversation)
        }
        if not keys:
            return
        found = await self._bucket.get_many(list(keys))
        for key, conversation in keys.items():
            self._clean[conversation] = self._read(conversation, found.get(key))

    def fold(self, states: Mapping[ConversationId, Conversation], *, sequence: int) -> None:
        """Take the states that the record at this log sequence made."""
        self._changed.update(states)
        if self._clean:
            for conversation in states.keys() & self._clean.keys():
                del self._clean[conversation]
        self.folded = sequence

    async def checkpoint(self) -> int:
        """The log sequence that the snapshots stand for."""
        entry = await self._bucket.get(self._checkpoint_key, fresh=True)
        return int(entry.value) if entry else 0

    async def flush(self) -> None:
        """Write what has changed, then the checkpoint. Meanwhile more may change: that is the next flush's."""
        async with self._flushing:
            if self.folded == self._written:
                return
            folded, todo = self.folded, list(self._changed.values())
            for start in range(0, len(todo), _SIDE_BY_SIDE):
                part = todo[start : start + _SIDE_BY_SIDE]
                await asyncio.gather(*(self._write(state, folded) for state in part))
            await self._set_checkpoint(folded)
            self._written = folded

    async def _write(self, state: Conversation, sequence: int) -> None:
        """Write one snapshot as of a log sequence, unless another owner has written one as new.

        Its revision is the guard.
        """
        key, value = self._key(state.id), encode(msgspec.structs.replace(state, sequence=sequence))
        while True:
            revision = self._revisions.get(state.id)
            try:
                if revision is None:
                    self._revisions[state.id] = await self._bucket.create(key, value)
                else:
                    self._revisions[state.id] = await self._bucket.update(key, value, revision=revision)
                break
            except RevisionChanged:
                stored = self._read(state.id, await self._bucket.get(key, fresh=True))
                if stored is not None and stored.sequence >= sequence:
                    break
        if self._changed.get(state.id) is state:
            del self._changed[state.id]
            self._clean[state.id] = state

    async def _set_checkpoint(self, sequence: int) -> None:
        entry = await self._bucket.get(self._checkpoint_key, fresh=True)
        if entry is not None and int(entry.value) >= sequence:
            return
        value = str(sequence).encode()
        try:
            if entry is None:
                await self._bucket.create(self._checkpoint_key, value)
            else:
                await self._bucket.update(self._checkpoint_key, value, revision=entry.revision)
        except RevisionChanged:
            _log.warning("checkpoint.write_raced", partition=self._partition)

    def _read(self, conversation: ConversationId, entry: Entry | None) -> Conversation | None:
        if entry is None:
            return None
        self._revisions[conversation] = entry.revision
        return decode_conversation(entry.value)

    def _trim(self) -> None:
        """The oldest half of the clean ones goes when there are too many."""
        if len(self._clean) > self._most:
            kept = list(self._clean.items())[self._most // 2 :]
            for conversation in list(self._clean)[: self._most // 2]:
                self._revisions.pop(conversation, None)
            self._clean = dict(kept)

    def _key(self, conversation: ConversationId) -> str:
        return f"{self._partition}.{conversation}"

    @property
    def _checkpoint_key(self) -> str:
        return f"checkpoint.{self._partition}"


def _may_be(conversation: str) -> bool:
    """Whether this has the shape of a conversation's id: of another shape none was ever begun."""
    return len(conversation) <= _LONGEST_ID and conversation.isascii() and conversation.replace("_", "").isalnum()
