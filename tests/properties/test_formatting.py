"""The laws of formatting, for any text: no words are lost or garbled, nothing becomes markup by accident."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.catalogue import discover
from bridges.kit import markup
from bridges.kit.contract import Translator
from bridges.kit.downgrade import Fitted, TextPiece, fit
from bridges.kit.formatting import in_words, parse_plain, render, written
from bridges.kit.parts import size
from bridges.kit.spans import canonical, segments
from schemas.content import Mark, MarkKind, Text

RAILS = discover()
rails = pytest.mark.parametrize("rail", RAILS.values(), ids=RAILS.keys())

SCRAPS = [
    *"*_~`>-.#\\\n \t",
    *("```", "> ", "- ", "* ", "1. ", "12. ", "https://x.example/a_b", "http://", "a", "Bob", "é", "e\u0301", "漢字"),
    *(
        "مرحبا",
        "\u200f",
        "\u202e",
        "👩‍👩‍👧",
        "🇮🇹",
        "❤\ufe0f",
        "\r\n",
        "\u2028",
        "\xa0",
        "0",
        "٣",
        "_x_",
        "*y*",
        "\u200b",
        "\x00",
    ),
]
bodies = st.one_of(
    st.lists(st.sampled_from(SCRAPS), max_size=30).map("".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
)


@st.composite
def texts(draw: st.DrawFn) -> Text:
    """Any body with any marks, well-formed or not."""
    body = draw(bodies)
    place = st.integers(-1, len(body) + 1)
    mark = st.builds(
        Mark,
        kind=st.sampled_from(get_args(MarkKind)),
        start=place,
        end=place,
        value=st.sampled_from(["", "https://x.example", "12", "x"]),
    )
    return Text(body=body, marks=tuple(draw(st.lists(mark, max_size=8))))


@rails
@given(body=bodies)
def test_plain_text_comes_through_every_rail_unchanged(rail: Translator, body: str) -> None:
    """The same words there, and no marks: told to be plain where they would be read as markup."""
    rendered = render(parse_plain(body), rail.capabilities.marks, rail.style)
    assert rendered.body == body
    assert rendered.lost == ()
    if not rendered.plain:
        assert rail.style.read(rendered.body) == Text(body=body)


@rails
@given(text=texts())
def test_what_is_rendered_reads_as_it_was_meant(rail: Translator, text: Text) -> None:
    """The words as they were put, and no mark that was not there before; without loss, all of them."""
    rendered = render(text, rail.capabilities.marks, rail.style)
    worded, _ = in_words(text, rail.capabilities.marks)
    bare = in_words(worded, {})[0]
    if rendered.plain:
        assert rendered.body == bare.body
        return
    read = rail.style.read(rendered.body)
    assert read.body in (worded.body, bare.body)
    assert set(read.marks) <= set(worded.marks)
    if not any(phrase.endswith("left out") for phrase in rendered.lost):
        assert read.marks == worded.marks


@given(text=texts())
def test_markup_that_is_read_can_be_written_again(text: Text) -> None:
    """Reading is a projection: what came out of markup goes through it unchanged."""
    read = markup.parse(text.body)
    rendered = render(read, RAILS["whatsapp"].capabilities.marks, markup.STYLE)
    if not rendered.plain and not rendered.lost:
        assert markup.parse(rendered.body) == read
    else:
        assert rendered.body.count("\n") == read.body.count("\n")


@given(text=texts())
def test_one_form_for_what_looks_alike(text: Text) -> None:
    """Canonical form keeps the words, is reached at once, and is made of lines."""
    clean = canonical(text)
    assert clean.body == text.body
    assert canonical(clean) == clean
    assert "\n".join(part.body for part in segments(clean)) == clean.body
    assert sum(len(part.marks) for part in segments(clean)) == len(clean.marks)


@given(text=texts())
def test_no_marks_are_made_up(text: Text) -> None:
    """What is written has no mark of a kind that the text had not (blocks within a line are code)."""
    kinds = {mark.kind for mark in text.marks}
    rendered = written(in_words(text, RAILS["whatsapp"].capabilities.marks)[0], markup.STYLE)
    if not rendered.plain:
        found = {mark.kind for mark in markup.parse(rendered.body).marks}
        assert found <= kinds | ({"code"} if "block" in kinds else set())


@rails
@given(text=texts(), limit=st.integers(40, 200))
def test_parts_fit_with_their_markup(rail: Translator, text: Text, limit: int) -> None:
    """However it is split: each part is within the limit, and together they have all the words."""
    long = Text(body=f"{text.body}{'word ' * 100}{text.body}", marks=text.marks)
    can = type(rail.capabilities)(
        rail=rail.rail, version=1, text_max=limit, text_unit="bytes", marks=rail.capabilities.marks
    )
    fitted = fit(long, can, style=rail.style)
    assert isinstance(fitted, Fitted)
    bodies = [piece.body for piece in fitted.pieces if isinstance(piece, TextPiece)]
    assert all(size(body, "bytes") <= limit for body in bodies)
    assert sum(body.count("word") for body in bodies) >= 75
