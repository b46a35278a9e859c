"""The bundled WhatsApp-like rail: the WhatsApp Business Cloud API on the wire, phone numbers as addresses."""

from rails.whatsapp.rail import RAIL

__all__ = ["RAIL"]
