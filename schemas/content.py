"""What a message says, without a rail's way of saying it. More kinds join the union as rails learn them."""

import msgspec


class Text(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="text", tag_field="type"):
    """Plain text, as typed: Unicode without lone surrogates, no markup meant."""

    body: str


Content = Text
"""The union of all kinds of content (today: one)."""
