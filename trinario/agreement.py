"""Do all rails show the same? The comparison behind `trinario check`, as functions of values.

One message's story (the ledger's) beside what each rail itself says that it shows under the story's native ids. A
difference comes with its reason, if the story has one; one without a reason should not be.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Shown = Mapping[str, Any]
"""A message as its rail shows it (docs/rail-api.md, `POST /shown`)."""

Copies = Mapping[tuple[str, str], Shown]
"""Rail and native id -> the message there."""

QUEUED = "queued"
"""What differs of a copy that its bridge has not told of yet."""
_THERE = frozenset({"posted", "delivered", "read"})
_SIGNS = re.compile(r"[*_~`>\s]+")
"""What bridges write where a rail has no formatting: signs, and other breaks of lines."""


def natives_of(story: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Rail and native id of every copy that the story names."""
    for leg in story["legs"]:
        for native_id in leg["native_ids"]:
            yield leg["rail"], native_id


def differences(story: Mapping[str, Any], copies: Copies, people: Mapping[str, str]) -> list[dict[str, Any]]:
    """What differs between a message's copies. `people`: handle -> person, so that reactions compare across rails."""
    legs = {leg["rail"]: leg for leg in story["legs"]}
    origin = _shown(legs[story["source"]], copies)
    found = []
    for rail, leg in legs.items():
        what, detail = _difference(leg, origin, _shown(leg, copies), people)
        if what:
            found.append(
                {
                    "message_id": story["message_id"],
                    "rail": rail,
                    "what": what,
                    "detail": detail,
                    "reason": _reason(story, leg, what),
                }
            )
    return found


def _shown(leg: Mapping[str, Any], copies: Copies) -> list[Shown]:
    ids = ((leg["rail"], native_id) for native_id in leg["native_ids"])
    return [copies[one] for one in ids if one in copies]


def _difference(
    leg: Mapping[str, Any], origin: Sequence[Shown], here: Sequence[Shown], people: Mapping[str, str]
) -> tuple[str, str]:
    if leg["status"] not in _THERE:
        return leg["status"], ""
    if len(here) < len(leg["native_ids"]) or not here:
        return "missing", f"{len(leg['native_ids']) - len(here)} of {len(leg['native_ids'])} parts are not on the rail"
    return _of_content(origin, here, people) if origin else ("", "")  # it is told where it was written


def _of_content(origin: Sequence[Shown], here: Sequence[Shown], people: Mapping[str, str]) -> tuple[str, str]:
    if _is_unsent(origin) != _is_unsent(here):
        return "unsend", "taken back where it was written" if _is_unsent(origin) else "taken back here only"
    if _words(origin) != _words(here):
        return "text", f"{len(_words(here))} letters here, {len(_words(origin))} where it was written"
    if _files(origin) != _files(here):
        return "files", f"{len(_files(here))} here, {len(_files(origin))} where it was written, or others"
    if _reactions(origin, people) != _reactions(here, people):
        return "reactions", f"{len(_reactions(here, people))} here, {len(_reactions(origin, people))} there"
    return "", ""


def _is_unsent(copies: Sequence[Shown]) -> bool:
    return all(copy["unsent"] for copy in copies)


def _words(copies: Sequence[Shown]) -> str:
    """All parts together, without the signs of formatting."""
    return _SIGNS.sub("", "".join(copy["text"] for copy in copies))


def _files(copies: Sequence[Shown]) -> list[str]:
    """The digests of all that is shown, in order."""
    return [sha256 for copy in copies for sha256 in copy["files"]]


def _reactions(copies: Sequence[Shown], people: Mapping[str, str]) -> dict[str, str]:
    return {people.get(by, by): emoji for copy in copies for by, emoji in copy["reactions"].items()}


_KINDS: Mapping[str, tuple[str, ...]] = {"text": ("edit",), "unsend": ("unsend", "expired"), "reactions": ("reaction",)}


def _reason(story: Mapping[str, Any], leg: Mapping[str, Any], what: str) -> str:
    """Why a copy may differ: what its leg says, or those of the changes that are concerned; empty for no reason."""
    found = [] if leg["status"] in _THERE else ["still on its way"] if leg["status"] == QUEUED else [leg["why"]]
    if what in ("text", "files", "missing"):
        found += leg["lost"]
    for change in story["changes"]:
        if change["kind"] in _KINDS.get(what, ()) and change["outcome"] == "routed":
            for one in change["legs"]:
                if one["rail"] == leg["rail"]:
                    found += [*one["lost"], *([] if one["status"] in _THERE else [one["why"] or one["status"]])]
    return "; ".join(dict.fromkeys(part for part in found if part))
