"""WhatsApp's interactive messages and templates, and the answers to them. Pure functions.

https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-interactive-messages
https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-message-templates
"""

from rails.kit.bodies import needed, object_member
from rails.kit.content import Choice, Offer
from rails.kit.offers import checked, numbered, part, parts, words
from rails.kit.rail import Json


def interactive(body: Json) -> Offer:
    """An ``interactive`` message of any kind: kinds that are not known show their words. Raises `Refused`."""
    asked = object_member(body, "interactive")
    kind = needed(asked, "type", longest=64)
    action = part(asked, "action")
    return checked(
        Offer(
            shape="interactive",
            kind=kind,
            header=_header(part(asked, "header")),
            body=words(part(asked, "body"), "text") or words(action, "name") or kind,
            footer=words(part(asked, "footer"), "text"),
            choices=(*_buttons(action), *_rows(action), *_link(action)),
        )
    )


def _header(header: Json) -> str:
    """Its text, or where its file is."""
    kind = words(header, "type")
    if kind in {"", "text"}:
        return words(header, "text")
    return words(part(header, kind), "link") or f"[{kind}]"


def _buttons(action: Json) -> list[Choice]:
    replies = [part(button, "reply") for button in parts(action, "buttons")]
    return [
        Choice(id=needed(reply, "id", longest=256), title=words(reply, "title"), form="button_reply")
        for reply in replies
    ]


def _rows(action: Json) -> list[Choice]:
    rows = [row for section in parts(action, "sections") for row in parts(section, "rows")]
    return [
        Choice(
            id=needed(row, "id", longest=200),
            title=words(row, "title"),
            description=words(row, "description"),
            form="list_reply",
        )
        for row in rows
    ]


def _link(action: Json) -> list[Choice]:
    asked = part(action, "parameters")
    url = words(asked, "url")
    return [Choice(id="link", title=words(asked, "display_text") or url, url=url)] if url else []


def template(body: Json) -> Offer:
    """A ``template``: its name and its parameters in words, since its own words are not known here."""
    asked = object_member(body, "template")
    name = needed(asked, "name", longest=512)
    said: list[str] = []
    choices: list[Choice] = []
    for component in parts(asked, "components"):
        entries = parts(component, "parameters")
        is_button = words(component, "type").lower() == "button"
        if not is_button:
            said += [text for text in map(_parameter, entries) if text]
        elif words(component, "sub_type").lower() == "quick_reply":
            payloads = [words(entry, "payload") or words(entry, "text") for entry in entries]
            choices += [Choice(id="", title=text, payload=text, form="button") for text in payloads]
    language = words(part(asked, "language"), "code") or "template"
    text = f"{name}: {', '.join(said)}" if said else name
    return checked(Offer(shape="template", kind=language, name=name, body=text, choices=numbered(choices)))


def _parameter(entry: Json) -> str:
    kind = words(entry, "type") or "text"
    if kind == "text":
        return words(entry, "text")
    inner = part(entry, kind)
    return words(inner, "fallback_value") or words(inner, "link") or words(inner, "name") or f"[{kind}]"


def answered(choice: Choice) -> Json:
    """What a business is told of a person's choice: ``type`` and the object under it."""
    if choice.form == "button":
        return {"type": "button", "button": {"payload": choice.payload, "text": choice.title}}
    told: Json = {"id": choice.id, "title": choice.title}
    if choice.form == "list_reply" and choice.description:
        told["description"] = choice.description
    return {"type": "interactive", "interactive": {"type": choice.form, choice.form: told}}
