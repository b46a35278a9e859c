"""Quick replies and templates of page-like platforms, as offers. Pure functions.

https://developers.facebook.com/docs/messenger-platform/send-messages/quick-replies
https://developers.facebook.com/docs/messenger-platform/send-messages/templates
"""

from rails.kit.content import Choice, Offer
from rails.kit.model import Refused, Why
from rails.kit.offers import checked, numbered, part, parts, words
from rails.kit.rail import Json

QUICK_REPLIES_MOST = 13
ASKED_FOR = {"user_phone_number": "Phone number", "user_email": "E-mail", "location": "Location"}
"""Quick replies that have no title of their own."""
LINKS = frozenset({"web_url", "phone_number"})


def is_template(attachment: object) -> bool:
    """Whether an ``attachment`` is a template."""
    return isinstance(attachment, dict) and str(attachment.get("type")).lower() == "template"


def asked(message: Json) -> Offer:
    """The offer that a ``message`` with quick replies or a template makes. Raises `Refused`."""
    quick = _quick_replies(message)
    attachment = message.get("attachment")
    if not is_template(attachment):
        if attachment is not None or message.get("attachments") is not None:
            raise Refused(Why.UNSUPPORTED, "quick_replies: they stand with a text or a template; send files apart")
        body = words(message, "text")
        if not body.strip():
            raise Refused(Why.BAD_REQUEST, "message.text: expected the words that the quick replies stand with")
        return checked(Offer(shape="interactive", kind="quick_replies", body=body, choices=numbered(quick)))
    payload = part(part(message, "attachment"), "payload")
    kind = words(payload, "template_type")[:64]
    if not kind:
        raise Refused(Why.BAD_REQUEST, "payload.template_type: expected a text such as generic or button")
    elements = parts(payload, "elements")
    lines = [words(payload, "text"), *(_element(element) for element in elements)]
    if kind == "receipt":
        lines += _receipt(payload)
    buttons = [_button(button) for owner in (payload, *elements) for button in parts(owner, "buttons")]
    body = "\n".join(line for line in lines if line) or kind
    return checked(Offer(shape="template", kind=kind, body=body, choices=numbered([*buttons, *quick])))


def _quick_replies(message: Json) -> list[Choice]:
    entries = parts(message, "quick_replies")
    if len(entries) > QUICK_REPLIES_MOST:
        raise Refused(Why.BAD_REQUEST, f"quick_replies: expected at most {QUICK_REPLIES_MOST}, got {len(entries)}")
    return [_quick_reply(entry) for entry in entries]


def _quick_reply(entry: Json) -> Choice:
    title = words(entry, "title") or ASKED_FOR.get(words(entry, "content_type"), "")
    return Choice(id="", title=title, payload=words(entry, "payload") or title, form="quick_reply")


def _button(button: Json) -> Choice:
    kind, payload = words(button, "type"), words(button, "payload")
    title = words(button, "title") or kind
    if kind in LINKS:
        return Choice(id="", title=title, url=words(button, "url") or payload or "-")
    return Choice(id="", title=title, payload=payload, form="postback")


def _element(element: Json) -> str:
    """One card: title, subtitle and where it leads; of a media or product template what there is."""
    says = [words(element, name) for name in ("title", "subtitle", "url")]
    link = words(part(element, "default_action"), "url")
    return " - ".join(line for line in (*says, link) if line)


def _receipt(payload: Json) -> list[str]:
    total = words(part(payload, "summary"), "total_cost")
    return [words(payload, "order_number"), f"{total} {words(payload, 'currency')}".strip()]
