"""The bundled Messenger-like rail: the Messenger Platform on the wire, user names as addresses."""

from rails.messenger.rail import RAIL

__all__ = ["RAIL"]
