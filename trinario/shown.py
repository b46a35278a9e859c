"""A message as one line for people: what kind it is, what was changed, who has reacted. Pure.

Used by inbox, watch and chat. What it makes is not yet safe for a terminal: `trinario.output.printable` is.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from trinario.output import clock

_NAMES = {
    "image": "photo",
    "video": "video",
    "audio": "audio",
    "voice": "voice note",
    "document": "file",
    "sticker": "sticker",
}


def said(message: Mapping[str, Any]) -> str:
    """What a message says, with everything that has become of it."""
    if message["unsent"]:
        return "(unsent)"
    content = message.get("content")
    text = str(message["text"])
    words = text if content is None else " ".join(part for part in (f"[{described(content)}]", text) if part)
    marks = [_forwarded(message), words, "(edited)" if message["edited"] else "", _votes(message), _reactions(message)]
    return "  ".join(mark for mark in marks if mark)


def described(content: Mapping[str, Any]) -> str:  # noqa: PLR0911 - one line a kind
    """Content that is no text, in words."""
    match content["type"]:
        case "album":
            return "album: " + ", ".join(described(item) for item in content["items"])
        case "location":
            place = ", ".join(part for part in (content.get("name"), content.get("address")) if part)
            return f"place {content['latitude']:.5f}, {content['longitude']:.5f}" + (f": {place}" if place else "")
        case "contacts":
            return "contacts: " + ", ".join(_card(card) for card in content["cards"])
        case "poll":
            options = (f"{number}) {option}" for number, option in enumerate(content["options"], start=1))
            return f"poll: {content['question']}  {'  '.join(options)}"
        case "like_heart":
            return "a heart"
        case kind if "media_id" in content:
            name = f" {content['name']}" if content.get("name") else ""
            return f"{_NAMES.get(kind, kind)}{name}, {size(content['size_bytes'])}"
        case other:
            return str(other)


def size(size_bytes: int) -> str:
    """Bytes as people say them."""
    for unit, many in (("MB", 1_000_000), ("kB", 1000)):
        if size_bytes >= many:
            return f"{size_bytes / many:.1f} {unit}"
    return f"{size_bytes} B"


def files(content: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """The files that a message shows, one or an album's."""
    if content is None:
        return []
    items = content["items"] if content["type"] == "album" else [content]
    return [item for item in items if "media_id" in item]


def happened(news: Mapping[str, Any]) -> str:  # noqa: PLR0911 - one line a kind
    """An event of the Client API's WebSocket as a line."""
    kind = str(news.get("type"))
    match kind:
        case "message":
            one = news["message"]
            return f"{clock(one['sent_at_ms'])}  {one['from']} -> {one['to']}: {said(one)}"
        case "edited" | "unsent" | "reaction" | "vote":
            one = news["message"]
            return f"{clock(one['sent_at_ms'])}  {one['from']} -> {one['to']} ({kind}): {said(one)}"
        case "receipt":
            return f"{news['by']} has {'read' if news['status'] == 'read' else 'got'} up to {news['up_to']}"
        case "read":
            return f"read elsewhere up to {news['up_to']}"
        case "failed":
            return f"{news['native_id']} failed: {news['error']['message']}"
        case "typing":
            return f"{news['by']} {'is writing...' if news['on'] else 'has stopped writing'}"
        case "presence":
            return f"{news['by']} is {'there' if news['online'] else 'not there'}"
        case other:
            return f"{other}: {news.get('thread', '')}"


def _card(card: Mapping[str, Any]) -> str:
    return " ".join([card["name"], *card.get("phones", []), *card.get("emails", [])])


def _forwarded(message: Mapping[str, Any]) -> str:
    return "(forwarded)" if message.get("forwarded") else ""


def _votes(message: Mapping[str, Any]) -> str:
    counts = Counter(option for options in message.get("votes", {}).values() for option in options)
    return "votes: " + ", ".join(f"{option + 1}) {counts[option]}" for option in sorted(counts)) if counts else ""


def _reactions(message: Mapping[str, Any]) -> str:
    return ", ".join(f"{emoji} {handle}" for handle, emoji in message["reactions"].items())
