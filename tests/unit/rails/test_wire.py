"""The rails' wire modules, by tables: native events -> webhook entries, request bodies -> acts, errors -> bodies."""

from typing import Any

import pytest

from rails.catalogue import BUNDLED
from rails.kit.model import Account, Failed, Kind, Message, Posted, Received, Refused, Status, Why
from rails.kit.rail import MarkRead, PostText, Typing

ALICE = Account(
    id="393331112222", handle="whatsapp:+393331112222", name="Alice", kind=Kind.PERSON, federated=True, second_id="IT.1"
)
BOB = Account(
    id="9002", handle="messenger:bob.rossi", name="Bob Rossi", kind=Kind.BUSINESS, federated=True, second_id="IT.2"
)
MESSAGE = Message(
    arrival=7,
    native_id="id-7",
    thread_id="t_1",
    sender_id=ALICE.id,
    recipient_id=BOB.id,
    text="Ciao",
    at_ms=1_700_000_000_999,
    sent_at_ms=1_700_000_000_123,
    rank=3,
    opaque="tag",
    reply_to="id-6",
)
POSTED = Posted(message=MESSAGE, sender=ALICE, recipient=BOB, by_partner=True, reply_author=BOB)
PAGE_LIKE = ("messenger", "instagram")


def test_whatsapp_received() -> None:
    """Digits without a plus, seconds as text, the contact with its business-scoped id."""
    entry = BUNDLED["whatsapp"].wire.received(POSTED)
    (change,) = entry["changes"]
    assert change == {
        "field": "messages",
        "value": {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "9002", "phone_number_id": "9002"},
            "contacts": [{"profile": {"name": "Alice"}, "wa_id": "393331112222", "user_id": "IT.1"}],
            "messages": [
                {
                    "from": "393331112222",
                    "from_user_id": "IT.1",
                    "id": "id-7",
                    "timestamp": "1700000000",
                    "type": "text",
                    "text": {"body": "Ciao"},
                    "context": {"from": "9002", "id": "id-6"},
                }
            ],
        },
    }


@pytest.mark.parametrize("rail", PAGE_LIKE)
def test_page_like_received_and_echo(rail: str) -> None:
    """Milliseconds as integers; the echo has the page as the sender and brings the metadata back."""
    wire = BUNDLED[rail].wire
    (told,) = wire.received(POSTED)["messaging"]
    assert told["message"] == {"mid": "id-7", "text": "Ciao", "reply_to": {"mid": "id-6"}}
    assert (told["sender"], told["recipient"], told["timestamp"]) == (
        {"id": ALICE.id},
        {"id": BOB.id},
        1_700_000_000_123,
    )
    entry = wire.echo(POSTED)
    (echo,) = entry["messaging"]
    assert (entry["id"], echo["sender"], echo["recipient"]) == (ALICE.id, {"id": ALICE.id}, {"id": BOB.id})
    assert (echo["message"]["is_echo"], echo["message"]["metadata"], echo["timestamp"]) == (True, "tag", MESSAGE.at_ms)


def test_whatsapp_echo_is_a_status() -> None:
    """What the API posts comes back as its `sent` status, with the opaque data."""
    value = BUNDLED["whatsapp"].wire.echo(POSTED)["changes"][0]["value"]
    assert "messages" not in value
    (status,) = value["statuses"]
    assert (status["id"], status["status"], status["recipient_id"]) == ("id-7", "sent", BOB.id)
    assert status["biz_opaque_callback_data"] == "tag"


def received(status: Status) -> Received:
    """Bob has got two messages of Alice's."""
    later = Message(
        **{**{f: getattr(MESSAGE, f) for f in Message.__struct_fields__}, "native_id": "id-8", "at_ms": 2_000}
    )
    return Received(
        status=status, reader=BOB, author=ALICE, messages=(MESSAGE, later), at_ms=1_700_000_002_000, by_partner=False
    )


@pytest.mark.parametrize(
    ("rail", "status", "expected"),
    [
        ("messenger", Status.READ, [{"read": {"watermark": MESSAGE.at_ms}}]),
        ("messenger", Status.DELIVERED, [{"delivery": {"mids": ["id-7", "id-8"], "watermark": MESSAGE.at_ms}}]),
        ("instagram", Status.READ, [{"read": {"mid": "id-8"}}]),
        ("instagram", Status.DELIVERED, []),
    ],
)
def test_receipts_of_page_like_rails(rail: str, status: Status, expected: list[dict[str, Any]]) -> None:
    """One event for all messages: a watermark, or the last one seen."""
    entries = BUNDLED[rail].wire.receipts(received(status))
    told = [entry["messaging"][0] for entry in entries]
    assert [{key: event[key] for key in event if key in {"read", "delivery"}} for event in told] == expected
    assert all((event["sender"]["id"], event["recipient"]["id"]) == (BOB.id, ALICE.id) for event in told)


def test_receipts_of_whatsapp_are_one_a_message() -> None:
    """Each with a contact, also the failed one."""
    wire = BUNDLED["whatsapp"].wire
    values = [entry["changes"][0]["value"] for entry in wire.receipts(received(Status.DELIVERED))]
    assert [(v["statuses"][0]["id"], v["statuses"][0]["status"]) for v in values] == [
        ("id-7", "delivered"),
        ("id-8", "delivered"),
    ]
    failed = Failed(message=MESSAGE, author=ALICE, recipient=BOB, code="131047", reason="too late", at_ms=5_000)
    value = wire.failed(failed)[0]["changes"][0]["value"]
    assert (value["statuses"][0]["errors"][0]["code"], value["contacts"][0]["user_id"]) == (131047, "IT.2")
    assert all(BUNDLED[rail].wire.failed(failed) == [] for rail in PAGE_LIKE)


W = {"messaging_product": "whatsapp"}


@pytest.mark.parametrize(
    ("rail", "body", "act"),
    [
        ("whatsapp", {**W, "to": "+39 (333) 1", "text": {"body": "x"}}, PostText(to="+39 (333) 1", text="x")),
        ("whatsapp", {**W, "to": 39, "type": "text", "text": {"body": "x"}}, PostText(to="39", text="x")),
        (
            "whatsapp",
            {
                **W,
                "recipient": "IT.1",
                "text": {"body": "x"},
                "context": {"message_id": "m"},
                "biz_opaque_callback_data": "o",
            },
            PostText(to="IT.1", text="x", reply_to="m", opaque="o"),
        ),
        ("whatsapp", {**W, "status": "read", "message_id": "m"}, MarkRead(native_id="m")),
        (
            "whatsapp",
            {**W, "status": "read", "message_id": "m", "typing_indicator": {"type": "text"}},
            MarkRead(native_id="m", typing=True),
        ),
        ("messenger", {"recipient": {"id": "1"}, "message": {"text": "x"}}, PostText(to="1", text="x")),
        (
            "instagram",
            {"recipient": {"id": 1}, "message": {"text": "x", "metadata": "o"}, "reply_to": {"mid": "m"}},
            PostText(to="1", text="x", reply_to="m", opaque="o"),
        ),
        ("messenger", {"recipient": {"id": "1"}, "sender_action": "MARK_SEEN"}, MarkRead(peer="1")),
        ("instagram", {"recipient": {"id": "1"}, "sender_action": "typing_off"}, Typing(peer="1", on=False)),
    ],
)
def test_bodies_that_are_understood(rail: str, body: dict[str, Any], act: object) -> None:
    """The forms that published clients write."""
    assert BUNDLED[rail].wire.parse_act(body) == act


@pytest.mark.parametrize(
    ("rail", "body", "why"),
    [
        ("whatsapp", {}, Why.BAD_REQUEST),
        ("whatsapp", {**W, "to": True, "text": {"body": "x"}}, Why.BAD_REQUEST),
        ("whatsapp", {**W, "to": "1", "text": "x"}, Why.BAD_REQUEST),
        ("whatsapp", {**W, "to": "1", "type": "image", "image": {}}, Why.BAD_REQUEST),
        ("whatsapp", {**W, "to": "1", "type": "order", "order": {}}, Why.UNSUPPORTED),
        ("whatsapp", {**W, "to": "1", "recipient_type": "broadcast", "text": {"body": "x"}}, Why.UNSUPPORTED),
        ("whatsapp", {**W, "status": "delivered", "message_id": "m"}, Why.BAD_REQUEST),
        ("messenger", {"recipient": "1", "message": {"text": "x"}}, Why.BAD_REQUEST),
        ("messenger", {"recipient": {"phone_number": "1"}, "message": {"text": "x"}}, Why.BAD_REQUEST),
        (
            "messenger",
            {"recipient": {"id": "1"}, "message": {"text": "x"}, "sender_action": "typing_on"},
            Why.BAD_REQUEST,
        ),
        ("instagram", {"recipient": {"id": "1"}, "message": {"attachment": {"type": "template"}}}, Why.BAD_REQUEST),
        ("instagram", {"recipient": {"id": "1"}, "sender_action": "dance"}, Why.UNSUPPORTED),
    ],
)
def test_bodies_that_are_refused(rail: str, body: dict[str, Any], why: Why) -> None:
    """Each with its kind of no."""
    with pytest.raises(Refused) as caught:
        BUNDLED[rail].wire.parse_act(body)
    assert caught.value.why is why


@pytest.mark.parametrize(
    ("rail", "text", "address"),
    [
        ("whatsapp", "+39 333 111 2222", "+393331112222"),
        ("whatsapp", "3331112222", None),
        ("whatsapp", "+39", None),
        ("whatsapp", "+999123456789012", None),
        ("messenger", " Bob.Rossi ", "bob.rossi"),
        ("messenger", ".bob", None),
        ("messenger", "bob rossi", None),
        ("instagram", "Bob", "@bob"),
        ("instagram", "@BOB_1", "@bob_1"),
        ("instagram", "@", None),
        ("instagram", "@" + "b" * 31, None),
    ],
)
def test_addresses(rail: str, text: str, address: str | None) -> None:
    """One spelling for one address, or the rule in the error."""
    if address is None:
        with pytest.raises(ValueError, match="such as"):
            BUNDLED[rail].normalise_address(text)
    else:
        assert BUNDLED[rail].normalise_address(text) == address


@pytest.mark.parametrize("rail", BUNDLED)
def test_ids_look_like_the_platforms(rail: str) -> None:
    """Prefixes and digits as consumers expect them; a ghost's id is nobody's number."""
    ids = BUNDLED[rail].ids
    prefix = {"whatsapp": "wamid.", "messenger": "m_", "instagram": "aWdf"}[rail]
    assert ids.message().startswith(prefix)
    assert ids.message() != ids.message()
    address = BUNDLED[rail].normalise_address(ids.business_address("Corner Shop"))
    for new in (ids.person(address), ids.business(address), ids.ghost()):
        assert new.id.isdecimal()
    if rail == "whatsapp":
        assert ids.person("+393331112222").id == "393331112222"
        assert ids.ghost().id.startswith("999")
        assert (ids.person("+393331112222").second_id or "").startswith("IT.")
    if rail == "instagram":
        assert ids.business("@shop").id.startswith("1784")


@pytest.mark.parametrize("rail", BUNDLED)
def test_every_no_has_a_code(rail: str) -> None:
    """Whatever the kit refuses, the platform has a word for it; our own words come along."""
    for why in Why:
        error = BUNDLED[rail].errors[why]
        body = BUNDLED[rail].wire.error_body(error, "the reason", "trace")["error"]
        assert 400 <= error.http < 600
        assert (body["code"], body["type"], body["fbtrace_id"]) == (error.code, "OAuthException", "trace")
        assert "the reason" in (body["message"] + str(body.get("error_data")))
