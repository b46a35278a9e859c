"""Instagram: the Instagram Messaging API's webhooks and Send API.

https://developers.facebook.com/docs/instagram-platform/webhooks
https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api
https://developers.facebook.com/docs/messenger-platform/error-codes

Habits to know: the layout is Messenger's, the receipts are not: `read.mid` names the last message seen, and there is no
delivery receipt at all; a text is limited in *bytes*; our own posts come back as `is_echo` with `metadata`.
"""

from bridges.kit import graph, pages
from bridges.kit.contract import Translator
from schemas.capabilities import Capabilities, Level, MediaLimit
from schemas.ids import RailName

MB = 1024 * 1024

CAPABILITIES = Capabilities(
    rail=RailName("instagram"),
    version=3,
    text_max=1000,
    text_unit="bytes",
    app_text_max=20_000,
    text=Level.FULL,
    reply=Level.FULL,
    delivered=Level.DROPPED,
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
        "image": MediaLimit(mimes=("image/jpeg", "image/png", "image/gif"), max_bytes=8 * MB),
        "video": MediaLimit(
            mimes=("video/mp4", "video/webm", "video/ogg", "video/quicktime", "video/x-msvideo"), max_bytes=25 * MB
        ),
        "audio": MediaLimit(mimes=("audio/aac", "audio/mp4", "audio/wav"), max_bytes=25 * MB),
        "document": MediaLimit(mimes=("application/pdf",), max_bytes=25 * MB),
    },
    album_most=10,
    album_kinds=("image",),
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
    (2, 1545133): "temporary",
    (1, None): "temporary",
    (2, None): "temporary",
    (4, None): "temporary",
    (613, None): "temporary",
    (80002, None): "temporary",
    (80006, None): "temporary",
    (10, None): "permanent",
    (100, None): "permanent",
    (200, None): "permanent",
    (230, None): "permanent",
    (551, None): "permanent",
}


class Instagram(pages.Pages):
    """The translator of the Instagram Messaging API. See `Translator`."""

    rail = RailName("instagram")
    capabilities = CAPABILITIES
    errors = ERRORS
    platform = "instagram"


TRANSLATOR: Translator = Instagram()
