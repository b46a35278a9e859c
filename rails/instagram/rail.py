"""The Instagram-like rail, described: ids, addresses, limits, receipts, errors.

https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api
"""

import base64
import re
import secrets

from rails.instagram.routes import ROUTES
from rails.instagram.wire import InstagramWire
from rails.kit.abilities import MIB, Abilities, MediaRule
from rails.kit.model import Why
from rails.kit.rail import GraphError, Ids, NewAccount, Rail, TextLimit, in_bytes

_NAME = re.compile(r"@[a-z0-9_](?:[a-z0-9._]{0,28}[a-z0-9_])?")


def normalise_address(text: str) -> str:
    """``@`` and a name, in lower case; the ``@`` may be left out."""
    name = "@" + text.strip().lower().removeprefix("@")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{text[:60]!r} is no name: expected @ and 1 to 30 of a-z, 0-9, dot, underscore, such as @bob")
    return name


def _scoped_id(_: str = "") -> NewAccount:
    """An Instagram-scoped id. On the real platform each business sees another one; here all see the same."""
    return NewAccount(id=str(3 * 10**15 + secrets.randbelow(6 * 10**15)))


def _professional_id(_: str) -> NewAccount:
    return NewAccount(id=f"1784{secrets.randbelow(10**13):013d}")


def _message_id() -> str:
    return "aWdf" + base64.b64encode(b"dm_" + secrets.token_bytes(42)).decode()


def _group_id() -> str:
    return str(6 * 10**18 + secrets.randbelow(10**18))


def _business_address(name: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:18]
    return f"@{plain or 'shop'}_{secrets.token_hex(4)}"


ABILITIES = Abilities(
    media={
        "image": MediaRule(mimes=frozenset({"image/jpeg", "image/png", "image/gif"}), max_bytes=8 * MIB),
        "video": MediaRule(
            mimes=frozenset({"video/mp4", "video/webm", "video/ogg", "video/quicktime", "video/x-msvideo"}),
            max_bytes=25 * MIB,
        ),
        "audio": MediaRule(mimes=frozenset({"audio/aac", "audio/mp4", "audio/wav"}), max_bytes=25 * MIB),
        "document": MediaRule(mimes=frozenset({"application/pdf"}), max_bytes=25 * MIB),
    },
    aliases={"voice": "audio"},
    kinds=frozenset({"like_heart"}),
    album_kinds=frozenset({"image"}),
    edit_most=5,
)

RAIL = Rail(
    name="instagram",
    title="Instagram",
    webhook_object="instagram",
    address_example="@bob",
    text_limit=TextLimit(size=1000, unit="bytes of UTF-8", measure=in_bytes),
    app_text_limit=TextLimit(size=20_000),
    shows_delivered=False,
    ids=Ids(
        person=_scoped_id,
        business=_professional_id,
        ghost=_scoped_id,
        message=_message_id,
        group=_group_id,
        business_address=_business_address,
    ),
    wire=InstagramWire(),
    errors={
        Why.BAD_REQUEST: GraphError(http=400, code=100, message="Invalid parameter"),
        Why.UNAUTHORISED: GraphError(http=401, code=190, message="Invalid OAuth access token"),
        Why.NOT_FOUND: GraphError(http=400, code=100, subcode=33, message="Unsupported request: no such object"),
        Why.ADDRESS_TAKEN: GraphError(http=400, code=100, message="The address is taken"),
        Why.BAD_ADDRESS: GraphError(http=400, code=100, message="Invalid parameter"),
        Why.UNKNOWN_RECIPIENT: GraphError(
            http=400, code=100, subcode=2534014, message="The requested user cannot be found"
        ),
        Why.RECIPIENT_UNAVAILABLE: GraphError(
            http=400, code=551, subcode=1545041, message="This person isn't available right now"
        ),
        Why.NOT_REACHABLE_NOW: GraphError(http=503, code=2, subcode=1545133, message="Service temporarily unavailable"),
        Why.TOO_LONG: GraphError(http=400, code=100, message="The message text must be at most 1000 bytes of UTF-8"),
        Why.TOO_LARGE: GraphError(http=413, code=100, message="Request too large"),
        Why.BUSY: GraphError(http=503, code=2, subcode=1545133, message="Service temporarily unavailable"),
        Why.SELF: GraphError(http=400, code=100, subcode=2534014, message="Cannot message oneself"),
        Why.UNSUPPORTED: GraphError(http=400, code=100, message="Unsupported request"),
        Why.TOO_MANY: GraphError(http=400, code=613, message="Calls to this API have exceeded the rate limit"),
        Why.SERVER_ERROR: GraphError(http=500, code=2, message="An unexpected error occurred"),
        Why.NO_SUCH_EDGE: GraphError(http=400, code=2500, message="Unknown path components"),
        Why.TOO_OLD: GraphError(http=400, code=100, message="Invalid parameter"),
        Why.TOO_MANY_EDITS: GraphError(http=400, code=100, message="Invalid parameter"),
        Why.NOT_AUTHOR: GraphError(http=400, code=100, message="Invalid parameter"),
        Why.NOT_ALLOWED: GraphError(http=400, code=100, message="Invalid parameter"),
        Why.UNSENT: GraphError(http=400, code=100, message="Invalid parameter"),
        Why.MEDIA_TYPE: GraphError(http=400, code=100, subcode=2018047, message="Upload attachment failure"),
        Why.MEDIA_SIZE: GraphError(
            http=400, code=100, subcode=2018109, message="Attachment size exceeds allowable limit"
        ),
        Why.MEDIA_FETCH: GraphError(
            http=400, code=100, subcode=2018008, message="Failed to fetch the file from the url"
        ),
        Why.MEDIA_UNKNOWN: GraphError(http=400, code=100, subcode=2018074, message="Invalid reusable attachment ID"),
    },
    abilities=ABILITIES,
    normalise_address=normalise_address,
    routes=ROUTES,
)
