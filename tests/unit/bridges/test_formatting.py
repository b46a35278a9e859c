"""Markup in, words out: tables of cases. The laws are in `tests/properties/test_formatting.py`."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from bridges.catalogue import discover
from bridges.kit import markup
from bridges.kit.formatting import PLAIN, Rendered, parse_plain, render
from bridges.kit.spans import canonical, edited, segments
from schemas.capabilities import Level
from schemas.content import Mark, MarkKind, Text

RAILS = discover()
WITH_MARKUP = RAILS["whatsapp"].capabilities.marks
WITHOUT = RAILS["messenger"].capabilities.marks


def seen(text: Text) -> list[tuple[str, str]]:
    """Marks as (kind, words)."""
    return [(mark.kind, text.body[mark.start : mark.end]) for mark in text.marks]


def marked(body: str, *marks: tuple[MarkKind, str] | tuple[MarkKind, str, str]) -> Text:
    """A text with marks given by the (first) words they stand for."""
    found = []
    for kind, words, *value in marks:
        start = body.index(words)
        found.append(Mark(kind=kind, start=start, end=start + len(words), value=value[0] if value else ""))
    return Text(body=body, marks=tuple(found))


@pytest.mark.parametrize(
    ("body", "words", "marks"),
    [
        ("*bold* _it_ ~no~ `c`", "bold it no c", [("bold", "bold"), ("italic", "it"), ("strike", "no"), ("code", "c")]),
        ("*_~x~_*", "x", [("bold", "x"), ("italic", "x"), ("strike", "x")]),
        ("*a _b_ c*", "a b c", [("bold", "a b c"), ("italic", "b")]),
        (
            "(*in brackets*), *at the end*.",
            "(in brackets), at the end.",
            [("bold", "in brackets"), ("bold", "at the end")],
        ),
        ("```\nlet x = *y*\n```", "let x = *y*", [("block", "let x = *y*")]),
        ("see ```x = 1``` there", "see x = 1 there", [("code", "x = 1")]),
        ("`*x*` and *`x`*", "*x* and x", [("code", "*x*"), ("bold", "x"), ("code", "x")]),
        ("> a *b*", "a b", [("quote", "a b"), ("bold", "b")]),
        ("- a\n* b\nc", "a\nb\nc", [("bullet", "a"), ("bullet", "b")]),
        ("1. a\n2. b", "a\nb", [("number", "a"), ("number", "b")]),
        ("> - a", "a", [("bullet", "a"), ("quote", "a")]),
        ("_see https://x.example/a_b_c_", "see https://x.example/a_b_c", [("italic", "see https://x.example/a_b_c")]),
        ("*مرحبا* *漢字* *👩‍👩‍👧*", "مرحبا 漢字 👩‍👩‍👧", [("bold", "مرحبا"), ("bold", "漢字"), ("bold", "👩‍👩‍👧")]),
    ],
)
def test_markup_becomes_marks(body: str, words: str, marks: list[tuple[str, str]]) -> None:
    """The words without signs, and what they are; written again, it reads the same."""
    text = markup.parse(body)
    assert text.body == words
    assert seen(text) == marks
    assert markup.parse(markup.write(text)) == text


@pytest.mark.parametrize(
    "body",
    [
        "2*3*4 = 24",
        "snake_case_name and __init__ and **kwargs",
        "*not closed",
        "*across\nlines*",
        "* ",
        "-",
        "-5 degrees",
        "> ",
        "1.5 litres",
        "1) no",
        "not *closed, but _crossing",
        "*a _b*c",
        "https://x.example/*a*/_b_/~c~?q=`d`",
        "``` ```",
        "``````",
        "`` two ``",
        "a * b * c",
        "~5 and ~6",
        "",
        "\n\n",
        "10.000.000",
    ],
)
def test_what_is_no_markup_stays_as_it_is(body: str) -> None:
    """On the way in it is words; on the way out it needs no telling."""
    assert markup.parse(body) == Text(body=body)
    assert render(Text(body=body), WITH_MARKUP, markup.STYLE) == Rendered(body=body)


@pytest.mark.parametrize(
    "body", ["*b*", "- milk\n- eggs", "> he said", "`x`", "```\nx\n```", "2. next", "a _b_ c", "~x~"]
)
@pytest.mark.thread("matterbridge#1022", "matterbridge#1053", "matterbridge#1770")
def test_matterbridge_1022_words_that_look_like_markup_are_sent_as_plain(body: str) -> None:
    """They arrive as they were written: matterbridge#1022 (a heading by accident), #1053, #1770."""
    assert render(parse_plain(body), WITH_MARKUP, markup.STYLE) == Rendered(body=body, plain=True)
    assert render(parse_plain(body), WITHOUT, PLAIN) == Rendered(body=body)


EVERYTHING = marked(
    "Shopping\nmilk\neggs\nBob said\nsee the list, ask Bob",
    ("bold", "Shopping"),
    ("bullet", "milk"),
    ("number", "eggs"),
    ("quote", "Bob said"),
    ("link", "the list", "https://x.example/list"),
    ("mention", "Bob", "messenger:bob.rossi"),
)


def test_marks_become_markup_where_there_is_some() -> None:
    """Links and mentions have none on any of the bundled rails."""
    assert render(EVERYTHING, WITH_MARKUP, markup.STYLE) == Rendered(
        body="*Shopping*\n- milk\n1. eggs\n> Bob said\nsee the list (https://x.example/list), ask Bob",
        lost=("mention: in words", "link: in words"),
    )


def test_marks_become_words_where_there_is_none() -> None:
    """What says something is written out, what adorns stands between signs; the loss is named."""
    assert render(EVERYTHING, WITHOUT, PLAIN) == Rendered(
        body="*Shopping*\n- milk\n1. eggs\n> Bob said\nsee the list (https://x.example/list), ask Bob",
        lost=(
            "bold: in signs",
            "bullet: in words",
            "number: in words",
            "quote: in words",
            "mention: in words",
            "link: in words",
        ),
    )


@pytest.mark.parametrize(
    "typed",
    [
        "Well, what *is* it about?",
        "*Not bold*, is it?",
        "_so_ ~not~ *_both_* and `code`",
        "*a*_b_",
        "> *quoted*",
        "33. That was *late*.",
    ],
)
def test_where_a_rail_falls_back_to_signs_people_read_what_was_typed(typed: str) -> None:
    """So the same words stand on every rail, and what was meant can be seen."""
    signs: dict[MarkKind, Level] = dict.fromkeys(("bold", "italic", "strike", "code", "block"), Level.FALLBACK)
    found = render(markup.parse(typed), {**WITHOUT, **signs}, PLAIN)
    assert found.body == typed
    assert found.lost


def test_a_mention_names_the_account_of_that_rail() -> None:
    """`@` and what `name_of` says; the marks behind it move along."""
    text = marked("ask Bob *now*", ("mention", "Bob", "messenger:bob.rossi"), ("italic", "*now*"))
    names = {"messenger:bob.rossi": "+393335550202"}
    assert render(text, WITHOUT, PLAIN, lambda party: names.get(party, "")).body == "ask @+393335550202 _*now*_"
    bold = marked("ask Bob now", ("mention", "Bob", "messenger:bob.rossi"), ("bold", "now"))
    found = render(bold, WITH_MARKUP, markup.STYLE, lambda party: names.get(party, ""))
    assert found.body == "ask @+393335550202 *now*"


@pytest.mark.parametrize(
    ("words", "value", "body"),
    [
        ("https://x.example/a", "https://x.example/a", "https://x.example/a"),
        ("x.example", "https://x.example/", "x.example"),
        ("here", "https://x.example", "here (https://x.example)"),
    ],
)
def test_a_link_is_written_once(words: str, value: str, body: str) -> None:
    """teleirc#143: links come through whole; a label is followed by its address, an address by nothing."""
    assert render(marked(words, ("link", words, value)), WITHOUT, PLAIN).body == body


@pytest.mark.thread("matterbridge#918")
def test_matterbridge_918_bold_stays_bold() -> None:
    """Not italic: the sign of one place is never read as another's."""
    bold = marked("bold", ("bold", "bold"))
    assert seen(markup.parse(render(bold, WITH_MARKUP, markup.STYLE).body)) == [("bold", "bold")]


@pytest.mark.parametrize(
    "link",
    [
        "https://x.example/a_b_c",
        "https://x.example/*star*/~t~",
        "https://x.example/?q=_one_&r=*two*#`three`",
        "https://x.example/wiki/Parrot_(bird)",
        "http://x.example:8080/1._2._3._",
    ],
)
@pytest.mark.thread("teleirc#143")
def test_teleirc_143_links_stay_whole(link: str) -> None:
    """Whatever signs are in an address, it comes through every rail as it was typed, and none of it is formatting."""
    for body in (link, f"see {link} now", f"> {link}"):
        for rail in RAILS.values():
            sent = render(parse_plain(body), rail.capabilities.marks, rail.style)
            assert sent.body == body
            assert (parse_plain(sent.body) if sent.plain else rail.style.read(sent.body)) == Text(body=body)


@pytest.mark.thread("chatwoot#10040", "OCA/social#1909")
def test_chatwoot_10040_doubled_stars_are_words() -> None:
    """`**bold**` of a Markdown writer is no sign here, and is left as it was typed."""
    assert markup.parse("**bold**") == Text(body="**bold**")
    assert render(Text(body="**bold**"), WITH_MARKUP, markup.STYLE) == Rendered(body="**bold**")


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        (marked("unbreakable", ("bold", "break")), Rendered(body="unbreakable", lost=("bold: left out",))),
        (
            marked("fine and unbreakable", ("italic", "fine"), ("bold", "break")),
            Rendered(body="_fine_ and unbreakable", lost=("bold: left out",)),
        ),
        (
            marked("*typed* and meant", ("bold", "meant")),
            Rendered(body="*typed* and meant", plain=True, lost=("bold: left out",)),
        ),
        (marked("a`b", ("code", "a`b")), Rendered(body="a`b", lost=("code: left out",))),
        (marked(" padded ", ("bold", " padded ")), Rendered(body=" *padded* ")),
        (marked("two\nlines", ("bold", "two\nlines")), Rendered(body="*two*\n*lines*")),
    ],
)
def test_what_markup_cannot_say_is_left_out_not_garbled(text: Text, rendered: Rendered) -> None:
    """A sign within a word would be shown as a sign; signs typed by people would become markup."""
    assert render(text, WITH_MARKUP, markup.STYLE) == rendered


def test_numerals_are_counted_unless_they_are_given() -> None:
    """A list that goes on after a split goes on counting."""
    text = marked("a\nb\nc\nd", ("number", "a\nb"), ("number", "d", "7"))
    assert render(text, WITHOUT, PLAIN).body == "1. a\n2. b\nc\n7. d"


def test_canonical_form() -> None:
    """Marks of any origin in one form: whole lines, no blanks at the ends, none inside its own kind."""
    text = Text(
        body="one two\nthree",
        marks=(
            Mark(kind="quote", start=2, end=10),
            Mark(kind="bold", start=3, end=9),
            Mark(kind="bold", start=4, end=6),
        ),
    )
    assert seen(canonical(text)) == [("quote", "one two"), ("bold", "two"), ("quote", "three"), ("bold", "t")]
    assert canonical(canonical(text)) == canonical(text)


def test_changing_a_body_moves_its_marks() -> None:
    """What is put in at the start of a mark stands before it, what at its end behind it."""
    text = marked("one two three", ("bold", "two"), ("italic", "three"))
    found = edited(text, [(4, 4, "> "), (7, 7, " (x)"), (0, 3, "eins"), (8, 13, "drei")])
    assert found.body == "eins > two (x) drei"
    assert seen(found) == [("bold", "two"), ("italic", "drei")]


def test_segments_are_lines_and_blocks() -> None:
    """Joined they are the text."""
    text = markup.parse("a\n```x\ny```\n*b*")
    assert [part.body for part in segments(text)] == ["a", "x\ny", "b"]
    assert [seen(part) for part in segments(text)] == [[], [("block", "x\ny")], [("bold", "b")]]


HOSTILE = {
    "stars": lambda size: "*" * size,
    "open stars": lambda size: " *a" * (size // 3),
    "closed stars": lambda size: "*a* " * (size // 4),
    "all signs": lambda size: "*_~`" * (size // 4),
    "spaced signs": lambda size: " *a _b ~c `d" * (size // 12),
    "backticks": lambda size: "`" * size,
    "fences": lambda size: "``` " * (size // 4),
    "quotes": lambda size: "> " * (size // 2),
    "quote lines": lambda size: "> - *a*\n" * (size // 8),
    "blank lines": lambda size: "- \n" * (size // 3),
    "one long blank line": lambda size: "> " + " " * size,
    "digits": lambda size: "1" * size,
    "numbers": lambda size: "1. " * (size // 3),
    "addresses": lambda size: "https://" * (size // 8),
    "address of signs": lambda size: "https://" + "*_" * (size // 2),
    "line breaks": lambda size: "\n" * size,
    "combining": lambda size: "*a" + "\u0301" * size + "*",
    "crossing": lambda size: "*a _b* c_ " * (size // 10),
}


def steps(action: Callable[[], object]) -> int:
    """How many lines of our own code an action runs."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_twice_the_text_is_at_most_twice_the_work(make: Callable[[int], str]) -> None:
    """Counted in steps, not in seconds: nothing that is typed makes reading or writing quadratic."""

    def all_ways(body: str) -> None:
        text = markup.parse(body)
        render(text, WITH_MARKUP, markup.STYLE)
        render(text, WITHOUT, PLAIN)
        render(Text(body=body), WITH_MARKUP, markup.STYLE)

    once, twice = (steps(lambda size=size: all_ways(make(size))) for size in (3000, 6000))
    assert twice <= 2.3 * once + 200


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_64_kib_of_anything_come_through(make: Callable[[int], str]) -> None:
    """Whatever the regular expressions and slices do inside: it ends, and the words are there."""
    body = make(64 * 1024)
    assert render(Text(body=body), WITH_MARKUP, markup.STYLE).body == body
    text = markup.parse(body)
    assert render(text, {**WITH_MARKUP, "bold": Level.DROPPED}, markup.STYLE).body is not None
