"""The WhatsApp-like rail, described: ids, addresses, limits, receipts, errors.

https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes
"""

import base64
import secrets

import phonenumbers

from rails.kit.abilities import DAY_MS, KIB, MIB, TEXT_AND_OFFICE, Abilities, MediaRule
from rails.kit.model import Account, Why
from rails.kit.rail import GraphError, Ids, NewAccount, Rail, TextLimit
from rails.whatsapp.routes import ROUTES
from rails.whatsapp.wire import GROUP_PREFIX, WhatsAppWire, node_of, waba_id


def normalise_address(text: str) -> str:
    """E.164: ``+`` and digits. Numbers that cannot exist are refused; which are in service only their owners know."""
    rule = f"{text[:40]!r} is no phone number; write it with + and the country code, such as +393331112222"
    try:
        number = phonenumbers.parse(text.strip(), None)
    except phonenumbers.NumberParseException as error:
        raise ValueError(rule) from error
    if not phonenumbers.is_possible_number(number):
        raise ValueError(rule)
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _user_id(region: str) -> str:
    """A business-scoped user id. On the real platform each business sees another one; here all see the same."""
    return f"{region}.{10**16 + secrets.randbelow(9 * 10**16)}"


def _account(address: str) -> NewAccount:
    code = phonenumbers.parse(address, None).country_code or 0
    region = phonenumbers.region_code_for_country_code(code)
    return NewAccount(id=address.removeprefix("+"), second_id=_user_id(region if region.isalpha() else "ZZ"))


def _ghost() -> NewAccount:
    # +999 is given to no country and never will be: no number of a living person looks like this.
    return NewAccount(id=f"999{secrets.randbelow(10**12):012d}", second_id=_user_id("ZZ"))


def _message_id() -> str:
    return "wamid." + base64.b64encode(b"\x1d\x18\x0b" + secrets.token_bytes(27)).decode()


def _group_id() -> str:
    return GROUP_PREFIX + secrets.token_urlsafe(18)


def _business_address(_: str) -> str:
    return f"+1555{secrets.randbelow(10**7):07d}"


def _extras(account: Account) -> dict[str, str]:
    return {"waba_id": waba_id(account.id), "phone_number": account.address}


ABILITIES = Abilities(
    media={
        "image": MediaRule(mimes=frozenset({"image/jpeg", "image/png"}), max_bytes=5 * MIB, caption_length=1024),
        "video": MediaRule(
            mimes=frozenset({"video/mp4", "video/3gpp"}),
            max_bytes=16 * MIB,
            app_max_bytes=2000 * MIB,
            caption_length=1024,
        ),
        "audio": MediaRule(
            mimes=frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"}),
            max_bytes=16 * MIB,
            app_max_bytes=2000 * MIB,
        ),
        "voice": MediaRule(mimes=frozenset({"audio/ogg"}), max_bytes=16 * MIB),
        "document": MediaRule(mimes=None, business_mimes=TEXT_AND_OFFICE, max_bytes=100 * MIB, caption_length=1024),
        "sticker": MediaRule(mimes=frozenset({"image/webp"}), max_bytes=100 * KIB, max_animated_bytes=500 * KIB),
    },
    kinds=frozenset({"location", "contacts", "poll"}),
    unsend_within_ms=2 * DAY_MS,
    group_length=1024,
    reaction_within_ms=30 * DAY_MS,
    has_markup=True,
    links_need_token=True,
    vanishes=True,
)

RAIL = Rail(
    name="whatsapp",
    title="WhatsApp",
    webhook_object="whatsapp_business_account",
    address_example="+393331112222",
    text_limit=TextLimit(size=4096),
    app_text_limit=TextLimit(size=65_536),
    shows_delivered=True,
    ids=Ids(
        person=_account,
        business=_account,
        ghost=_ghost,
        message=_message_id,
        group=_group_id,
        business_address=_business_address,
    ),
    wire=WhatsAppWire(),
    errors={
        Why.BAD_REQUEST: GraphError(http=400, code=100, message="Invalid parameter"),
        Why.UNAUTHORISED: GraphError(http=401, code=190, message="Invalid OAuth access token"),
        Why.NOT_FOUND: GraphError(http=400, code=100, subcode=33, message="Unsupported request: no such object"),
        Why.ADDRESS_TAKEN: GraphError(http=400, code=100, message="The address is taken"),
        Why.BAD_ADDRESS: GraphError(http=400, code=131009, message="Parameter value is not valid"),
        Why.UNKNOWN_RECIPIENT: GraphError(http=400, code=131026, message="Message undeliverable"),
        Why.RECIPIENT_UNAVAILABLE: GraphError(http=400, code=131026, message="Message undeliverable"),
        Why.NOT_REACHABLE_NOW: GraphError(http=503, code=131016, message="Service unavailable"),
        Why.TOO_LONG: GraphError(
            http=400, code=100, message="Param text['body'] must be at most 4096 characters long."
        ),
        Why.TOO_LARGE: GraphError(http=413, code=100, message="Request too large"),
        Why.BUSY: GraphError(http=503, code=131016, message="Service unavailable"),
        Why.SELF: GraphError(http=400, code=131021, message="Recipient cannot be sender"),
        Why.UNSUPPORTED: GraphError(http=400, code=131051, message="Unsupported message type"),
        Why.TOO_MANY: GraphError(http=400, code=130429, message="Rate limit hit"),
        Why.SERVER_ERROR: GraphError(http=500, code=131000, message="Something went wrong"),
        Why.NO_SUCH_EDGE: GraphError(http=400, code=2500, message="Unknown path components"),
        Why.TOO_OLD: GraphError(http=400, code=131009, message="Parameter value is not valid"),
        Why.TOO_MANY_EDITS: GraphError(http=400, code=100, message="Invalid parameter"),
        Why.NOT_AUTHOR: GraphError(http=400, code=100, message="Invalid parameter"),
        Why.NOT_ALLOWED: GraphError(http=400, code=100, message="Invalid parameter"),
        Why.UNSENT: GraphError(http=400, code=131009, message="Parameter value is not valid"),
        Why.MEDIA_TYPE: GraphError(http=400, code=131053, message="Media upload error"),
        Why.MEDIA_SIZE: GraphError(http=400, code=131053, message="Media upload error"),
        Why.MEDIA_FETCH: GraphError(http=400, code=131052, message="Media download error"),
        Why.MEDIA_UNKNOWN: GraphError(http=400, code=131009, message="Parameter value is not valid"),
    },
    abilities=ABILITIES,
    normalise_address=normalise_address,
    routes=ROUTES,
    node_of=node_of,
    node_extras=_extras,
)
