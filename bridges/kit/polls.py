"""Polls in words: what an answer to one means. Pure.

Called when somebody answers (a reply, or the next message) a poll that was posted as text (`words.poll`) on their rail.
"""

import re
import unicodedata

from schemas.content import Poll

_MOST = 200
"""Characters. A longer answer is a message, not a vote."""

_NUMBERS = re.compile(r"[0-9]{1,3}(?:[ ,;+&.)]{1,3}[0-9]{1,3})*[.)]?")


def chosen(poll: Poll, answer: str) -> tuple[int, ...] | None:
    """The indices (from 0, rising) of the options that an answer names by number or by text; None: it names none.

    "2", "2.", "#2", a keycap emoji, the option's words in any case; where several may be chosen also "1, 3" or the
    words with commas or on lines of their own. An option whose words are a number goes before that number.
    """
    if len(answer) > _MOST:
        return None
    folded = _folded(answer)
    names: dict[str, int] = {}
    for index, option in enumerate(poll.options):
        names.setdefault(_folded(option), index)
    if folded in names:
        return (names[folded],)
    bare = folded.removeprefix("#")
    if _NUMBERS.fullmatch(bare):
        found = [int(number) - 1 for number in re.findall(r"[0-9]+", bare)]
    elif poll.several:
        found = [names.get(_folded(part), -1) for part in re.split(r"[,;\n]", answer) if part.strip()]
    else:
        return None
    picked = tuple(sorted(set(found)))
    fits = bool(picked) and picked[0] >= 0 and picked[-1] < len(poll.options) and (poll.several or len(picked) == 1)
    return picked if fits else None


def _folded(text: str) -> str:
    """One spelling: compatibility forms, case, blanks, variation selectors and keycaps do not count."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("\ufe0f", "").replace("\u20e3", "")
    return " ".join(plain.split())
