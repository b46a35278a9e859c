"""The translators by tables: payloads as the platforms' documentation has them, and whatever JSON there is."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.catalogue import discover
from bridges.instagram import TRANSLATOR as INSTAGRAM
from bridges.kit import extension
from bridges.kit.contract import (
    Native,
    NativeAccount,
    NativeBlock,
    NativeEcho,
    NativeFailure,
    NativeMessage,
    NativeReceipt,
    Post,
    Translator,
    Unreadable,
    Verdict,
)
from bridges.kit.downgrade import TextPiece
from bridges.messenger import TRANSLATOR as MESSENGER
from bridges.whatsapp import TRANSLATOR as WHATSAPP
from schemas.content import Text

ALL: list[Translator] = [WHATSAPP, MESSENGER, INSTAGRAM]


def whatsapp(**value: Any) -> bytes:
    """A Cloud API webhook with this value."""
    metadata = {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"}
    change = {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}
    return json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "WABA", "changes": [change]}]}).encode()


def page(*messaging: Any, kind: str = "page") -> bytes:
    """A Messenger (or Instagram) webhook with these updates."""
    entry = {"id": "1001", "time": 1749416384000, "messaging": list(messaging)}
    return json.dumps({"object": kind, "entry": [entry]}).encode()


def update(**event: Any) -> dict[str, Any]:
    """One update: somebody to the page."""
    return {"sender": {"id": "2002"}, "recipient": {"id": "1001"}, "timestamp": 1749416383123, **event}


TEXT = {
    "from": "16505551234",
    "from_user_id": "US.13491208655302741918",
    "id": "wamid.A",
    "timestamp": "1749416383",
    "type": "text",
    "text": {"body": "Does it come in another color? 🎨"},
}
READ_TEXT = NativeMessage(
    native_id="wamid.A",
    author="16505551234",
    recipient="106540352242922",
    content=Text(body="Does it come in another color? 🎨"),
    at_ms=1749416383000,
)
STATUS = {
    "id": "wamid.B",
    "status": "sent",
    "timestamp": "1750030073",
    "recipient_id": "16505551234",
    "conversation": {"id": "c", "origin": {"type": "service"}},
    "pricing": {"billable": True, "pricing_model": "PMP", "category": "service"},
}
FAILED = {
    **STATUS,
    "status": "failed",
    "errors": [{"code": 131026, "title": "Message undeliverable", "message": "Message undeliverable"}],
}
MID_TEXT = NativeMessage(
    native_id="m_1", author="2002", recipient="1001", content=Text(body="hello"), at_ms=1749416383123
)
ECHO = {"mid": "m_9", "is_echo": True, "app_id": 1517776481860111, "metadata": "evt_x", "text": "hi"}

TABLE: list[tuple[str, Translator, bytes, list[Native]]] = [
    ("whatsapp text", WHATSAPP, whatsapp(contacts=[{"wa_id": "16505551234"}], messages=[TEXT]), [READ_TEXT]),
    (
        "whatsapp reply",
        WHATSAPP,
        whatsapp(messages=[{**TEXT, "context": {"from": "15550783881", "id": "wamid.Z"}}]),
        [
            NativeMessage(
                native_id="wamid.A",
                author="16505551234",
                recipient="106540352242922",
                content=READ_TEXT.content,
                at_ms=1749416383000,
                reply_to="wamid.Z",
            )
        ],
    ),
    (
        "whatsapp forwarded",
        WHATSAPP,
        whatsapp(messages=[{**TEXT, "context": {"forwarded": True}}]),
        [msgspec.structs.replace(READ_TEXT, forwarded=1)],
    ),
    (
        "whatsapp without a phone number",
        WHATSAPP,
        whatsapp(messages=[{key: value for key, value in TEXT.items() if key != "from"}]),
        [
            NativeMessage(
                native_id="wamid.A",
                author="US.13491208655302741918",
                recipient="106540352242922",
                content=READ_TEXT.content,
                at_ms=1749416383000,
            )
        ],
    ),
    (
        "whatsapp own post",
        WHATSAPP,
        whatsapp(statuses=[{**STATUS, "biz_opaque_callback_data": "evt_1#2"}]),
        [
            NativeEcho(
                native_id="wamid.B",
                author="106540352242922",
                peer="16505551234",
                opaque="evt_1#2",
                at_ms=1750030073000,
            )
        ],
    ),
    (
        "whatsapp receipts",
        WHATSAPP,
        whatsapp(statuses=[{**STATUS, "status": "delivered"}, {**STATUS, "status": "read"}]),
        [
            NativeReceipt(reader="16505551234", peer="106540352242922", status=status, native_ids=("wamid.B",))
            for status in ("delivered", "read")
        ],
    ),
    (
        "whatsapp failed later",
        WHATSAPP,
        whatsapp(statuses=[FAILED]),
        [NativeFailure(native_id="wamid.B", code="131026", text="Message undeliverable")],
    ),
    ("whatsapp played, value errors", WHATSAPP, whatsapp(statuses=[{**STATUS, "status": "played"}], errors=[{}]), []),
    (
        "whatsapp sent from the phone app",
        WHATSAPP,
        json.dumps(
            {"entry": [{"changes": [{"field": "smb_message_echoes", "value": {"message_echoes": [TEXT]}}]}]}
        ).encode(),
        [],
    ),
    ("messenger text", MESSENGER, page(update(message={"mid": "m_1", "text": "hello"})), [MID_TEXT]),
    (
        "messenger own post",
        MESSENGER,
        page({"sender": {"id": "1001"}, "recipient": {"id": "2002"}, "timestamp": 5, "message": ECHO}),
        [NativeEcho(native_id="m_9", author="1001", peer="2002", opaque="evt_x", at_ms=5)],
    ),
    (
        "messenger delivery with and without mids",
        MESSENGER,
        page(update(delivery={"mids": ["m_1"], "watermark": 7}), update(delivery={"watermark": 8})),
        [
            NativeReceipt(reader="2002", peer="1001", status="delivered", native_ids=("m_1",), watermark_ms=7),
            NativeReceipt(reader="2002", peer="1001", status="delivered", watermark_ms=8),
        ],
    ),
    (
        "messenger read",
        MESSENGER,
        page(update(read={"watermark": 9})),
        [NativeReceipt(reader="2002", peer="1001", status="read", watermark_ms=9)],
    ),
    ("messenger things we do not carry", MESSENGER, page(update(referral={"ref": "x"}), update(optin={})), []),
    ("messenger page feed", MESSENGER, b'{"object":"page","entry":[{"id":"1","changes":[{"field":"feed"}]}]}', []),
    (
        "instagram reply",
        INSTAGRAM,
        page(update(message={"mid": "m_1", "text": "hello", "reply_to": {"mid": "m_0"}}), kind="instagram"),
        [
            NativeMessage(
                native_id="m_1",
                author="2002",
                recipient="1001",
                content=Text(body="hello"),
                at_ms=1749416383123,
                reply_to="m_0",
            )
        ],
    ),
    (
        "instagram answer to a story",
        INSTAGRAM,
        page(update(message={"mid": "m_1", "text": "hello", "reply_to": {"story": {"id": "1"}}}), kind="instagram"),
        [MID_TEXT],
    ),
    (
        "instagram seen",
        INSTAGRAM,
        page(update(read={"mid": "aWdf1"}), kind="instagram"),
        [NativeReceipt(reader="2002", peer="1001", status="read", up_to="aWdf1")],
    ),
    (
        "instagram own post",
        INSTAGRAM,
        page({"sender": {"id": "1001"}, "recipient": {"id": "2002"}, "timestamp": 5, "message": ECHO}),
        [NativeEcho(native_id="m_9", author="1001", peer="2002", opaque="evt_x", at_ms=5)],
    ),
]


@pytest.mark.parametrize(("name", "translator", "body", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_a_webhook_is_read(name: str, translator: Translator, body: bytes, expected: list[Native]) -> None:
    """What the platform's documentation shows is understood."""
    assert translator.read_webhook(body) == expected


BAD_PART: list[tuple[Translator, bytes, Native]] = [
    (WHATSAPP, whatsapp(messages=[{"id": 5}, TEXT, {**TEXT, "type": "image", "image": {"id": 1}}]), READ_TEXT),
    (WHATSAPP, whatsapp(messages=[{**TEXT, "timestamp": "soon"}, TEXT, "text"]), READ_TEXT),
    (MESSENGER, page(update(message={"mid": 7}), update(message={"mid": "m_1", "text": "hello"}), 3), MID_TEXT),
    (INSTAGRAM, page(None, update(message={"mid": "m_1", "text": "hello"}), update(message={"mid": "m_2"})), MID_TEXT),
]


@pytest.mark.parametrize(("translator", "body", "good"), BAD_PART)
def test_one_bad_update_does_not_spoil_the_others(translator: Translator, body: bytes, good: Native) -> None:
    """The good one is read, each bad one is parked with its bytes."""
    found = translator.read_webhook(body)
    assert [one for one in found if not isinstance(one, Unreadable)] == [good]
    parked = [one for one in found if isinstance(one, Unreadable)]
    assert len(parked) == 2
    assert all(one.reason and one.raw for one in parked)


MEMBERS = ["entry", "changes", "field", "value", "metadata", "phone_number_id", "messages", "statuses", "id", "from"]
MEMBERS += ["messaging", "sender", "recipient", "message", "mid", "text", "read", "delivery", "watermark", "object"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(MEMBERS) | st.text(max_size=5),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)


@given(JSON)
def test_no_json_raises(value: Any) -> None:
    """Whatever JSON comes, it is read or parked."""
    body = json.dumps(value).encode()
    for translator in ALL:
        translator.read_webhook(body)
    extension.read_webhook(body)
    extension.concerns(body)


@given(st.binary())
def test_no_bytes_raise(body: bytes) -> None:
    """Whatever bytes come, nothing raises and nothing is taken for an answer."""
    for translator in ALL:
        translator.read_webhook(body)
        assert not translator.posted(body).native_ids
        translator.judge(400, body)


def test_deep_nesting_is_parked() -> None:
    """Nesting that overflows a parser's stack is one more bad update."""
    body = b'{"entry":[' + b"[" * 200_000 + b"]" * 200_000 + b"]}"
    for translator in ALL:
        assert all(isinstance(one, Unreadable) for one in translator.read_webhook(body))


POST = Post(
    node="1001",
    peer="2002",
    piece=TextPiece(body="hi"),
    key="evt_1",
    opaque="evt_1",
    order=4096,
    sent_at_ms=17,
    reply_to="m_0",
)


def test_whatsapp_posts_as_documented() -> None:
    """To the letter of the Cloud API's reference, and one member more."""
    call = WHATSAPP.post(POST)
    assert (call.method, call.path, call.headers) == ("POST", "/v23.0/1001/messages", {"Idempotency-Key": "evt_1"})
    assert call.body == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "2002",
        "type": "text",
        "text": {"body": "hi", "preview_url": False},
        "context": {"message_id": "m_0"},
        "biz_opaque_callback_data": "evt_1",
        "federation": {"order": 4096, "sent_at_ms": 17},
    }


@pytest.mark.parametrize("translator", [MESSENGER, INSTAGRAM])
def test_pages_post_as_documented(translator: Translator) -> None:
    """To the letter of the Send API's reference, and one member more."""
    call = translator.post(POST)
    assert (call.method, call.path, call.headers) == ("POST", "/v23.0/1001/messages", {"Idempotency-Key": "evt_1"})
    assert call.body["recipient"] == {"id": "2002"}
    assert call.body["message"] == {"text": "hi", "metadata": "evt_1"}
    assert call.body["reply_to"] == {"mid": "m_0"}
    assert call.body["federation"] == {"order": 4096, "sent_at_ms": 17}


def test_answers_to_posts() -> None:
    """The native ids and the rail's own time; nothing from what is no answer."""
    answered = WHATSAPP.posted(b'{"messages":[{"id":"wamid.1"}],"contacts":[],"federation":{"at_ms":5}}')
    assert (answered.native_ids, answered.at_ms) == (("wamid.1",), 5)
    for translator in (MESSENGER, INSTAGRAM):
        answered = translator.posted(b'{"recipient_id":"1","message_id":"m_1","federation":{"at_ms":5}}')
        assert (answered.native_ids, answered.at_ms) == (("m_1",), 5)
        assert translator.posted(b'{"recipient_id":"1"}').native_ids == ()


def error(code: int, subcode: int | None = None) -> bytes:
    """An error answer of the platforms."""
    return json.dumps({"error": {"message": "no", "code": code, "error_subcode": subcode}}).encode()


VERDICTS: list[tuple[Translator, int, bytes, str]] = [
    (WHATSAPP, 200, b"{}", "done"),
    (WHATSAPP, 401, error(190), "bad_credentials"),
    (WHATSAPP, 400, error(130429), "temporary"),
    (WHATSAPP, 400, error(131056), "temporary"),
    (WHATSAPP, 400, error(131026), "permanent"),
    (WHATSAPP, 400, error(131047), "permanent"),
    (WHATSAPP, 503, error(2), "temporary"),
    (WHATSAPP, 400, error(999999), "permanent"),
    (WHATSAPP, 500, b"<html>", "temporary"),
    (MESSENGER, 400, error(551, 1545041), "permanent"),
    (MESSENGER, 400, error(10, 2018278), "permanent"),
    (MESSENGER, 400, error(613), "temporary"),
    (MESSENGER, 429, b"", "temporary"),
    (MESSENGER, 400, error(190), "bad_credentials"),
    (INSTAGRAM, 400, error(2, 1545133), "temporary"),
    (INSTAGRAM, 400, error(100, 2534014), "permanent"),
    (INSTAGRAM, 400, error(10, 2534022), "permanent"),
    (INSTAGRAM, 404, b"not json", "permanent"),
    (INSTAGRAM, 401, b"not json", "bad_credentials"),
]


@pytest.mark.parametrize(("translator", "status", "body", "outcome"), VERDICTS)
def test_an_answer_is_judged(translator: Translator, status: int, body: bytes, outcome: str) -> None:
    """The error tables, and the HTTP status where they are silent."""
    verdict: Verdict = translator.judge(status, body)
    assert verdict.outcome == outcome


def test_the_extension_is_read() -> None:
    """Accounts and blocks; what is newer is ignored, what is bad is parked."""
    account = {
        "id": "7",
        "handle": "x:y",
        "address": "y",
        "name": "Bob",
        "kind": "ghost",
        "federated": True,
        "key": "per_b",
    }
    block = {"blocker": "7", "blocked": "8", "on": True}
    changes = [
        {"field": "accounts", "value": account},
        {"field": "blocks", "value": block},
        {"field": "accounts", "value": {"id": 3}},
        {"field": "newer", "value": 1},
    ]
    body = json.dumps({"object": "federation", "entry": [{"id": "x", "time": 9, "changes": changes}]}).encode()
    assert extension.concerns(body)
    first, second, third = extension.read_webhook(body)
    assert first == NativeAccount(native_id="7", handle="x:y", name="Bob", kind="ghost", federated=True, key="per_b")
    assert second == NativeBlock(blocker="7", blocked="8", on=True, at_ms=9)
    assert isinstance(third, Unreadable)


def test_every_bridge_is_found_and_says_what_it_can() -> None:
    """One file a rail, with a capability document that names it."""
    found = discover()
    assert list(found) == sorted(one.rail for one in ALL)
    for rail, translator in found.items():
        assert translator.capabilities.rail == rail
        assert translator.capabilities.text_max > 0


@pytest.mark.parametrize(("translator", "too_many"), [(WHATSAPP, 130429), (MESSENGER, 613), (INSTAGRAM, 613)])
def test_an_extension_call_that_was_one_too_many_is_made_again(translator: Translator, too_many: int) -> None:
    """The extension's word says which "no" is for good; a rate limit, and a token that is not taken, are not."""

    def judged(code: int, word: str, status: int = 400) -> str:
        body = {"error": {"message": "No", "code": code, "error_data": {"federation_code": word}}}
        return translator.judge(status, json.dumps(body).encode()).outcome

    assert judged(too_many, "too_many") == "temporary"
    assert judged(190, "unauthorised", 401) == "bad_credentials"
    assert judged(100, "too_old") == "permanent"
