"""A message as a line for people."""

from pathlib import Path
from typing import Any

import pytest

from trinario.changing import place_for
from trinario.failures import Misused
from trinario.shown import happened, said, size

PHOTO = {
    "type": "image",
    "media_id": "1",
    "mime": "image/jpeg",
    "size_bytes": 1_234_567,
    "sha256": "",
    "name": "beach.jpg",
}


def message(**more: Any) -> dict[str, Any]:
    """A plain message, with changes."""
    plain = {"text": "Ciao", "unsent": False, "edited": False, "reactions": {}, "content": None, "votes": {}}
    return {**plain, "sent_at_ms": 0, "from": "instagram:@bob", "to": "instagram:@carla", **more}


@pytest.mark.parametrize(
    ("more", "shown"),
    [
        ({}, "Ciao"),
        ({"edited": True}, "Ciao  (edited)"),
        ({"unsent": True, "text": ""}, "(unsent)"),
        ({"forwarded": 2}, "(forwarded)  Ciao"),
        ({"reactions": {"instagram:@bob": "❤️"}}, "Ciao  ❤️ instagram:@bob"),
        ({"content": PHOTO, "text": "Look"}, "[photo beach.jpg, 1.2 MB] Look"),
        (
            {"content": {"type": "album", "items": [PHOTO, PHOTO]}, "text": ""},
            "[album: photo beach.jpg, 1.2 MB, photo beach.jpg, 1.2 MB]",
        ),
        (
            {"content": {"type": "location", "latitude": 45.0, "longitude": 9.5, "name": "Duomo"}, "text": ""},
            "[place 45.00000, 9.50000: Duomo]",
        ),
        (
            {"content": {"type": "contacts", "cards": [{"name": "Bob", "phones": ["+39333"]}]}, "text": ""},
            "[contacts: Bob +39333]",
        ),
        (
            {
                "content": {"type": "poll", "question": "When?", "options": ["Sat", "Sun"]},
                "text": "",
                "votes": {"a": [1], "b": [1, 0]},
            },
            "[poll: When?  1) Sat  2) Sun]  votes: 1) 1, 2) 2",
        ),
        ({"content": {"type": "like_heart"}, "text": ""}, "[a heart]"),
        ({"content": {"type": "hologram"}, "text": ""}, "[hologram]"),
    ],
)
def test_a_message_says_what_it_is_and_what_became_of_it(more: dict[str, Any], shown: str) -> None:
    """Kinds, captions, edits, unsends, reactions, votes; a kind of tomorrow by its name."""
    assert said(message(**more)) == shown


def test_what_happens_is_one_line_each() -> None:
    """The events of the Client API, also one that is not known yet."""
    assert happened({"type": "edited", "message": message(edited=True)}).endswith("(edited): Ciao  (edited)")
    assert happened({"type": "typing", "by": "instagram:@bob", "on": True}) == "instagram:@bob is writing..."
    assert happened({"type": "order", "thread": "7"}) == "order: 7"


def test_sizes_are_said_as_people_say_them() -> None:
    """Bytes, kilobytes, megabytes."""
    assert [size(999), size(1500), size(2_000_000)] == ["999 B", "1.5 kB", "2.0 MB"]


@pytest.mark.parametrize("name", ["../../etc/passwd", ".bashrc", "/etc/passwd", "a\x00b\n", "", "..", "x" * 500])
def test_a_strangers_file_name_never_leaves_the_folder(tmp_path: Path, name: str) -> None:
    """Whatever it is called, it lands in the folder, and is no hidden file."""
    place = place_for({"name": name, "media_id": "7"}, tmp_path, several=False)
    assert place.parent == tmp_path
    assert not place.name.startswith(".")
    assert place.name


def test_several_files_need_a_folder(tmp_path: Path) -> None:
    """An album cannot be one file."""
    with pytest.raises(Misused, match="several files"):
        place_for({"name": "a", "media_id": "7"}, tmp_path / "one.jpg", several=True)
