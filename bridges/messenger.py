"""Messenger: the Messenger Platform's webhooks and Send API.

https://developers.facebook.com/docs/messenger-platform/reference/webhook-events
https://developers.facebook.com/docs/messenger-platform/reference/send-api
https://developers.facebook.com/docs/messenger-platform/error-codes

Habits to know: times are integer milliseconds; `read` is a watermark without ids, `delivery` a watermark that sometimes
names ids; our own posts come back as `is_echo` with `metadata`, the page being the sender; failures are told by
the answer to the post and never later.
"""

from typing import ClassVar

from bridges.kit import graph, pages
from bridges.kit.contract import Translator
from schemas.capabilities import Capabilities, Level, MediaLimit
from schemas.ids import RailName

MB = 1024 * 1024

CAPABILITIES = Capabilities(
    rail=RailName("messenger"),
    version=3,
    text_max=2000,
    text_unit="characters",
    app_text_max=20_000,
    text=Level.FULL,
    reply=Level.FULL,
    delivered=Level.FULL,
    read=Level.FULL,
    order=Level.FULL,
    marks={
        "bold": Level.FALLBACK,
        "italic": Level.FALLBACK,
        "strike": Level.FALLBACK,
        "code": Level.FALLBACK,
        "block": Level.FALLBACK,
        "quote": Level.FALLBACK,
        "bullet": Level.FALLBACK,
        "number": Level.FALLBACK,
        "link": Level.FALLBACK,
        "mention": Level.FALLBACK,
    },
    media={
        "image": MediaLimit(mimes=("image/jpeg", "image/png", "image/gif", "image/webp"), max_bytes=25 * MB),
        "video": MediaLimit(
            mimes=("video/mp4", "video/3gpp", "video/webm", "video/ogg", "video/quicktime", "video/x-msvideo"),
            max_bytes=25 * MB,
        ),
        "audio": MediaLimit(
            mimes=("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg", "audio/wav", "audio/webm"),
            max_bytes=25 * MB,
        ),
        "document": MediaLimit(mimes=("*/*",), max_bytes=25 * MB),
    },
    album_most=10,
    forwarded=Level.FALLBACK,
    edit=Level.PARTIAL,
    edit_within_s=15 * 60,
    edit_most=5,
    unsend=Level.FULL,
    groups=Level.FULL,
    group_most=250,
    typing=Level.FULL,
    presence=Level.FULL,
    reaction=Level.FULL,
)

# --- errors ----------------------------------------------------------------------------------------------------------

ERRORS: graph.ErrorTable = {
    (190, None): "bad_credentials",
    (1, None): "temporary",
    (2, None): "temporary",
    (4, None): "temporary",
    (613, None): "temporary",
    (80006, None): "temporary",
    (10, None): "permanent",
    (100, None): "permanent",
    (200, None): "permanent",
    (230, None): "permanent",
    (368, None): "permanent",
    (551, None): "permanent",
}


class Messenger(pages.Pages):
    """The translator of the Messenger Platform. See `Translator`."""

    rail = RailName("messenger")
    capabilities = CAPABILITIES
    errors = ERRORS
    platform = "messenger"
    post_members: ClassVar = {"messaging_type": "RESPONSE"}


TRANSLATOR: Translator = Messenger()
