"""The bundled Instagram-like rail: Instagram Messaging on the wire, ``@name`` as addresses, no delivery receipts."""

from rails.instagram.rail import RAIL

__all__ = ["RAIL"]
