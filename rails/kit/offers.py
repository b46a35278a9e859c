"""Messages with something to choose: how they read as plain text, and what an answer is. Pure functions.

The platforms' own forms of them are read by `rails.kit.page_offers` and `rails.whatsapp.offers`.
"""

from collections.abc import Mapping
from typing import Any

from rails.kit.content import Choice, Chosen, Offer
from rails.kit.model import Refused, Why

CHOICES_MOST = 50
WORDS_LENGTH = 4096


def words(members: Mapping[str, Any], name: str) -> str:
    """A text, or the empty one. Numbers are taken as they are written. Raises `Refused`."""
    value = members.get(name)
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > WORDS_LENGTH:
        raise Refused(Why.BAD_REQUEST, f"{name}: expected a text of at most {WORDS_LENGTH} characters")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Refused(Why.BAD_REQUEST, f"{name}: contains half a surrogate pair") from error
    return value


def part(members: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An object, or the empty one. Raises `Refused`."""
    value = members.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused(Why.BAD_REQUEST, f"{name}: expected an object")
    return value


def parts(members: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """A list of objects, or the empty one. Raises `Refused`."""
    value = members.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise Refused(Why.BAD_REQUEST, f"{name}: expected a list of objects")
    return value


def checked(offer: Offer) -> Offer:
    """The offer, when it can be shown and answered. Raises `Refused`."""
    if len(offer.choices) > CHOICES_MOST:
        raise Refused(Why.BAD_REQUEST, f"{offer.kind}: expected at most {CHOICES_MOST} choices")
    if len({choice.id for choice in offer.choices}) != len(offer.choices):
        raise Refused(Why.BAD_REQUEST, f"{offer.kind}: two choices have the same id")
    if not all(choice.title.strip() for choice in offer.choices):
        raise Refused(Why.BAD_REQUEST, f"{offer.kind}: a choice has no title")
    text = readable(offer)
    if not text.strip():
        raise Refused(Why.BAD_REQUEST, f"{offer.kind}: there is nothing to show")
    if len(text) > WORDS_LENGTH:
        raise Refused(Why.TOO_LONG, f"{offer.kind}: {len(text)} characters in all, at most {WORDS_LENGTH} are taken")
    return offer


def readable(offer: Offer) -> str:
    """The offer as plain text: header, body, footer, then what can be chosen, numbered, and the links."""
    lines = [line for line in (offer.header, offer.body, offer.footer) if line]
    number = 0
    for choice in offer.choices:
        about = f" - {choice.description}" if choice.description else ""
        if choice.url:
            lines.append(f"{choice.title}: {choice.url}{about}")
        else:
            number += 1
            lines.append(f"{number}. {choice.title}{about}")
    return "\n".join(lines)


def chosen(offer: Offer, *, of: str, ident: str) -> Chosen:
    """The answer with that id. Raises `Refused`: `bad_request` with the ids there are."""
    answers = [choice for choice in offer.choices if not choice.url]
    found = [choice for choice in answers if choice.id == ident]
    if not found:
        ids = ", ".join(repr(choice.id[:40]) for choice in answers) or "none"
        raise Refused(Why.BAD_REQUEST, f"id: no such choice in that message; there are: {ids}")
    return Chosen(of=of, choice=found[0])


def numbered(choices: list[Choice]) -> tuple[Choice, ...]:
    """With their places from 1 as ids, where the platform gives them none that is their own."""
    return tuple(
        Choice(
            id=str(place),
            title=choice.title,
            description=choice.description,
            payload=choice.payload,
            url=choice.url,
            form=choice.form,
        )
        for place, choice in enumerate(choices, 1)
    )
