"""What counts as agreement between the copies of a message, and what is said of those that differ."""

from typing import Any

from trinario.agreement import differences, natives_of

PEOPLE = {"instagram:@bob": "per_bob", "messenger:bob": "per_bob"}


def story(status: str = "posted", *, lost: tuple[str, ...] = (), changes: tuple[Any, ...] = ()) -> dict[str, Any]:
    """Written on whatsapp, and on messenger in two parts."""
    return {
        "message_id": "evt_1",
        "source": "whatsapp",
        "legs": [
            {"rail": "whatsapp", "status": "posted", "native_ids": ["w"], "lost": [], "why": "written here"},
            {"rail": "messenger", "status": status, "native_ids": ["m1", "m2"], "lost": lost, "why": "account gone"},
        ],
        "changes": list(changes),
    }


def copy(text: str, **more: Any) -> dict[str, Any]:
    """As a rail shows it."""
    return {"text": text, "files": [], "edited": False, "unsent": False, "reactions": {}, **more}


def found(told: dict[str, Any], here: dict[str, Any], **there: Any) -> list[tuple[str, str]]:
    """What differs on messenger, where the parts are `here` and " tonight?"; and why."""
    copies = {
        ("whatsapp", "w"): copy(**{"text": "*Pasta* tonight?", **there}),
        ("messenger", "m1"): here,
        ("messenger", "m2"): copy("tonight?", unsent=here["unsent"]),
    }
    return [(one["what"], one["reason"]) for one in differences(told, copies, PEOPLE)]


def test_parts_signs_and_handles_are_no_difference() -> None:
    """A text in two parts without its stars, and one person's reaction by two handles."""
    here = copy("Pasta", reactions={"messenger:bob": "❤"})
    assert found(story(), here, reactions={"instagram:@bob": "❤"}) == []
    assert sorted(natives_of(story())) == [("messenger", "m1"), ("messenger", "m2"), ("whatsapp", "w")]


def test_what_differs_is_told_with_its_reason_or_without() -> None:
    """Text, a reaction, an unsend, parts that are gone, a leg that failed."""
    assert found(story(), copy("Pizza")) == [("text", "")]
    assert found(story(lost=("the picture",)), copy("")) == [("text", "the picture")]
    assert found(story(), copy("Pasta", reactions={"messenger:bob": "❤"})) == [("reactions", "")]
    assert found(story(), copy("Pasta"), files=["5a"]) == [("files", "")]
    assert found(story(lost=("image: sent as a link",)), copy("Pasta"), files=["5a"]) == [
        ("files", "image: sent as a link")
    ]
    assert found(story("failed"), copy("Pasta")) == [("failed", "account gone")]
    assert found(story("queued"), copy("Pasta")) == [("queued", "still on its way")]
    assert found(story(), copy("Pasta"), unsent=True, text="") == [("unsend", "")]
    late = {
        "kind": "unsend",
        "outcome": "routed",
        "legs": [{"rail": "messenger", "status": "failed", "lost": [], "why": "too old"}],
    }
    assert found(story(changes=(late,)), copy("Pasta"), unsent=True, text="") == [("unsend", "too old")]
    assert [one["what"] for one in differences(story(), {("whatsapp", "w"): copy("x")}, {})] == ["missing"]
