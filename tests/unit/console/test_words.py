"""The page's words: the same keys in every language, each once, with the same places to fill in."""

import re
from pathlib import Path

import pytest

import trinario.console

WORDS = Path(trinario.console.__file__).parent / "static" / "words"
_ENTRY = re.compile(r'(?:^|[{,])\s*"?([A-Za-z][A-Za-z0-9_.]*)"?: "((?:[^"\\]|\\.)*)"', re.MULTILINE)


def words(language: str) -> list[tuple[str, list[str]]]:
    """Keys and the names in braces, in the file's order."""
    found = _ENTRY.findall((WORDS / f"{language}.js").read_text())
    return [(key, sorted(set(re.findall(r"\{(\w+)\}", text)))) for key, text in found]


@pytest.mark.parametrize("language", ["en", "it", "fr"])
def test_each_key_once_and_in_every_language(language: str) -> None:
    """What is said in English is said in the others, about the same things."""
    there = words(language)
    assert len(there) > 100
    assert len({key for key, _ in there}) == len(there)
    assert sorted(there) == sorted(words("en"))
