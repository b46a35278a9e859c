"""What a file is, by its first bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.kit.sniffing import clean_name, is_animated, settled
from schemas.content import MediaKind
from tests.integration.rails.samples import (
    AMR,
    GIF,
    HTML,
    JPEG,
    M4A,
    MP3,
    MP4,
    NOISE,
    OGG,
    PDF,
    PNG,
    TEXT,
    WEBP,
    WEBP_ANIMATED,
    wav,
)

TABLE: list[tuple[MediaKind, str, bytes, tuple[MediaKind, str]]] = [
    ("image", "image/png", PNG, ("image", "image/png")),
    ("image", "image/png", JPEG, ("image", "image/jpeg")),
    ("image", "image/gif", GIF, ("image", "image/gif")),
    ("image", "image/png", HTML, ("document", "text/plain")),
    ("image", "image/png", NOISE, ("document", "application/octet-stream")),
    ("sticker", "image/webp", WEBP, ("sticker", "image/webp")),
    ("video", "video/mp4", MP4, ("video", "video/mp4")),
    ("video", "video/mp4", PDF, ("document", "application/pdf")),
    ("voice", "audio/ogg; codecs=opus", OGG, ("voice", "audio/ogg")),
    ("audio", "audio/mp4", M4A, ("audio", "audio/mp4")),
    ("audio", "audio/mpeg", MP3, ("audio", "audio/mpeg")),
    ("audio", "", wav(), ("audio", "audio/wav")),
    ("audio", "audio/amr", AMR, ("audio", "audio/amr")),
    ("document", "application/pdf", PDF, ("document", "application/pdf")),
    ("document", "text/plain", TEXT, ("document", "text/plain")),
    ("document", "image/png", TEXT, ("document", "text/plain")),
]


@pytest.mark.parametrize(("kind", "claimed", "head", "expected"), TABLE)
def test_bytes_are_believed_before_words(
    kind: MediaKind, claimed: str, head: bytes, expected: tuple[MediaKind, str]
) -> None:
    """What is no picture is not shown as one."""
    assert settled(kind, claimed, head) == expected


@given(st.binary(max_size=64), st.text(max_size=30))
def test_no_bytes_raise(head: bytes, claimed: str) -> None:
    """Whatever comes, it is something."""
    _, mime = settled("image", claimed, head)
    assert "/" in mime


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.pdf", "a.pdf"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        (" .hidden. ", "hidden"),
        ("a\nb\0c", "abc"),
        ("x" * 500, "x" * 128),
        ("x" * 500 + ".pdf", "x" * 124 + ".pdf"),
        ("x." * 200 + "y" * 20, "x." * 64),
    ],
)
def test_names_are_cleaned(name: str, expected: str) -> None:
    """No folders, no control characters, nothing that turns the reading direction."""
    assert clean_name(name) == expected


def test_a_sticker_that_moves_is_known_by_its_bytes() -> None:
    """By the flag of the extended header, wherever the bytes end."""
    assert is_animated(WEBP_ANIMATED)
    assert not any(is_animated(head) for head in (WEBP, PNG, b"", *(WEBP_ANIMATED[:end] for end in range(21))))
