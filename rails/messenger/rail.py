"""The Messenger-like rail, described: ids, addresses, limits, receipts, errors.

https://developers.facebook.com/docs/messenger-platform/error-codes
"""

import re
import secrets

from rails.kit.abilities import KIB, MIB, Abilities, MediaRule
from rails.kit.model import Why
from rails.kit.rail import GraphError, Ids, NewAccount, Rail, TextLimit
from rails.messenger.routes import ROUTES
from rails.messenger.wire import MessengerWire

_USER_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,48}[a-z0-9])?")


def normalise_address(text: str) -> str:
    """A user name, in lower case."""
    name = text.strip().lower()
    if not _USER_NAME.fullmatch(name):
        raise ValueError(
            f"{text[:60]!r} is no user name: expected 1 to 50 of a-z, 0-9, dot, dash, underscore, such as bob.rossi"
        )
    return name


def _scoped_id(_: str = "") -> NewAccount:
    """A page-scoped id. On the real platform each page sees another one; here all see the same."""
    return NewAccount(id=str(2 * 10**16 + secrets.randbelow(8 * 10**16)))


def _page_id(_: str) -> NewAccount:
    return NewAccount(id=str(10**14 + secrets.randbelow(9 * 10**14)))


def _message_id() -> str:
    return "m_" + secrets.token_urlsafe(48)


def _group_id() -> str:
    return str(5 * 10**18 + secrets.randbelow(10**18))


def _business_address(name: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", ".", name.lower()).strip(".")[:30]
    return f"{plain or 'page'}.{secrets.token_hex(4)}"


ABILITIES = Abilities(
    media={
        "image": MediaRule(mimes=frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"}), max_bytes=25 * MIB),
        "video": MediaRule(
            mimes=frozenset(
                {"video/mp4", "video/3gpp", "video/webm", "video/ogg", "video/quicktime", "video/x-msvideo"}
            ),
            max_bytes=25 * MIB,
        ),
        "audio": MediaRule(
            mimes=frozenset(
                {"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg", "audio/wav", "audio/webm"}
            ),
            max_bytes=25 * MIB,
        ),
        "document": MediaRule(mimes=None, max_bytes=25 * MIB),
        "sticker": MediaRule(
            mimes=frozenset({"image/webp", "image/png", "image/gif"}), max_bytes=500 * KIB, people_only=True
        ),
    },
    aliases={"voice": "audio"},
    album_kinds=frozenset({"image", "video", "audio", "document"}),
    edit_most=5,
)

RAIL = Rail(
    name="messenger",
    title="Messenger",
    webhook_object="page",
    address_example="bob.rossi",
    text_limit=TextLimit(size=2000),
    app_text_limit=TextLimit(size=20_000),
    shows_delivered=True,
    ids=Ids(
        person=_scoped_id,
        business=_page_id,
        ghost=_scoped_id,
        message=_message_id,
        group=_group_id,
        business_address=_business_address,
    ),
    wire=MessengerWire(),
    errors={
        Why.BAD_REQUEST: GraphError(http=400, code=100, message="Invalid parameter"),
        Why.UNAUTHORISED: GraphError(http=401, code=190, message="Invalid OAuth access token"),
        Why.NOT_FOUND: GraphError(http=400, code=100, subcode=33, message="Unsupported request: no such object"),
        Why.ADDRESS_TAKEN: GraphError(http=400, code=100, message="The address is taken"),
        Why.BAD_ADDRESS: GraphError(http=400, code=100, message="Invalid parameter"),
        Why.UNKNOWN_RECIPIENT: GraphError(http=400, code=100, subcode=2018001, message="No matching user found"),
        Why.RECIPIENT_UNAVAILABLE: GraphError(
            http=400, code=551, subcode=1545041, message="This person isn't available right now"
        ),
        Why.NOT_REACHABLE_NOW: GraphError(http=503, code=2, message="Service temporarily unavailable"),
        Why.TOO_LONG: GraphError(
            http=400, code=100, message="Length of param message[text] must be less than or equal to 2000"
        ),
        Why.TOO_LARGE: GraphError(http=413, code=100, message="Request too large"),
        Why.BUSY: GraphError(http=503, code=2, message="Service temporarily unavailable"),
        Why.SELF: GraphError(http=400, code=100, subcode=2018001, message="Cannot message oneself"),
        Why.UNSUPPORTED: GraphError(http=400, code=100, message="Unsupported request"),
        Why.TOO_MANY: GraphError(http=400, code=613, message="Calls to this API have exceeded the rate limit"),
        Why.SERVER_ERROR: GraphError(http=500, code=1, subcode=99, message="An unknown error occurred"),
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
