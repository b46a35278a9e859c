"""A call of the federation partner within a transaction, and the accounts that it names."""

import msgspec

from rails.kit import accounts
from rails.kit.acts import Acts
from rails.kit.bodies import needed
from rails.kit.edges import Call
from rails.kit.model import Account
from rails.kit.store import Tx


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the partner asks; `rest` is the path behind ``federation``."""

    tx: Tx
    acts: Acts
    call: Call
    rest: tuple[str, ...]


def node_of(asked: Asked) -> Account:
    """The node in the path, or `not_found`."""
    return accounts.required(asked.tx, asked.acts.rail.node_of(asked.rest[0]))


def peer_of(asked: Asked) -> Account:
    """The account that is the node's peer, or `not_found`."""
    return accounts.required(asked.tx, needed(asked.call.body, "peer", longest=200))
