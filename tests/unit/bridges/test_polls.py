"""Answers to polls in words."""

import pytest

from bridges.kit import polls, words
from schemas.content import Poll

LUNCH = Poll(question="Lunch?", options=("Pizza", "Sushi 🍣", "7", "Nothing"))
SEVERAL = Poll(question="Days?", options=("Monday", "Tuesday", "Sunday"), several=True)


@pytest.mark.parametrize(
    ("answer", "chosen"),
    [
        ("2", (1,)),
        (" 2. ", (1,)),
        ("2)", (1,)),
        ("#4", (3,)),
        ("2️⃣", (1,)),
        ("\uff12", (1,)),
        ("pizza", (0,)),
        ("SUSHI  🍣", (1,)),
        ("7", (2,)),
        ("0", None),
        ("5", None),
        ("1, 2", None),
        ("Pizza please", None),
        ("", None),
        ("-1", None),
        ("2" * 500, None),
        ("٢", None),
    ],
)
def test_one_choice(answer: str, chosen: tuple[int, ...] | None) -> None:
    """A number, or the option's words; anything else is a message."""
    assert polls.chosen(LUNCH, answer) == chosen


@pytest.mark.parametrize(
    ("answer", "chosen"),
    [
        ("1, 3", (0, 2)),
        ("3 1", (0, 2)),
        ("1+2 & 3", (0, 1, 2)),
        ("2", (1,)),
        ("monday, sunday", (0, 2)),
        ("Monday\nTuesday", (0, 1)),
        ("1\n2", (0, 1)),
        ("1, 4", None),
        ("monday or sunday", None),
        (",", None),
    ],
)
def test_several_choices(answer: str, chosen: tuple[int, ...] | None) -> None:
    """In any order, each once."""
    assert polls.chosen(SEVERAL, answer) == chosen


@pytest.mark.parametrize("poll", [LUNCH, SEVERAL])
@pytest.mark.thread("mautrix/meta#142")
def test_mautrix_meta_142_a_poll_is_asked_in_words_and_answered_by_number(poll: Poll) -> None:
    """Every option has its number in the text, and that number chooses it (unless an option is called so)."""
    lines = words.poll(poll).body.splitlines()
    for index, option in enumerate(poll.options):
        number = str(index + 1)
        assert f"{number}. {option}" in lines
        assert polls.chosen(poll, number) == (index,)
