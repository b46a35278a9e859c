"""What the federation partner does for a node beyond posting: edit, unsend, vote, type, ask in a poll.

Part of the federation extension (`rails.kit.federation`); functions of one transaction that may be asked twice.
"""

from collections.abc import Callable, Mapping

import msgspec

from rails.kit import edges, edits, presence, reactions, timers
from rails.kit.asked import Asked, node_of, peer_of
from rails.kit.bodies import flag_member, integer_member, needed, object_member, text_member
from rails.kit.model import Refused, Why
from rails.kit.rail import Json, PostText
from rails.kit.sending import SentPoll


def _edit(asked: Asked) -> Json:
    body = asked.call.body
    federation = object_member(body, "federation") if "federation" in body else {}
    message = edits.edit(
        asked.tx,
        asked.acts,
        author=node_of(asked),
        native_id=needed(body, "native_id"),
        text=body.get("text"),
        plain=flag_member(federation, "plain", default=False) if "plain" in federation else None,
        by_partner=True,
    )
    return {"success": True, "native_id": message.native_id, "edits": message.details.edits if message.details else 0}


def _unsend(asked: Asked) -> Json:
    native_id = needed(asked.call.body, "native_id")
    expired = flag_member(asked.call.body, "expired", default=False)
    edits.unsend(asked.tx, asked.acts, author=node_of(asked), native_id=native_id, by_partner=True, expired=expired)
    return {"success": True}


def _vote(asked: Asked) -> Json:
    body = asked.call.body
    reactions.vote(
        asked.tx,
        asked.acts,
        by=node_of(asked),
        native_id=needed(body, "native_id"),
        options=body.get("options"),
        by_partner=True,
    )
    return {"success": True}


def _typing(asked: Asked) -> Json:
    on = flag_member(asked.call.body, "on", default=True)
    asked.acts.typing(asked.tx, by=node_of(asked), to=peer_of(asked), on=on, by_partner=True)
    return {"success": True}


def _presence(asked: Asked) -> Json:
    body, acts = asked.call.body, asked.acts
    hidden_from = body.get("hidden_from") or []
    if not isinstance(hidden_from, list) or not all(isinstance(one, str) for one in hidden_from):
        raise Refused(Why.BAD_REQUEST, "hidden_from: expected a list of account ids")
    presence.take_over(
        asked.tx,
        acts.presences,
        node=node_of(asked),
        on=flag_member(body, "on", default=True),
        seen_ms=max(0, integer_member(body, "seen_ms") or 0),
        hidden_from=hidden_from,
        now_ms=acts.now_ms(),
    )
    return {"success": True}


def _timer(asked: Asked) -> Json:
    seconds = {name: integer_member(asked.call.body, name) or 0 for name in ("after_s", "after_read_s")}
    if min(seconds.values()) < 0:
        raise Refused(Why.BAD_REQUEST, "after_s, after_read_s: expected seconds, or 0")
    timers.put(
        asked.tx,
        asked.acts,
        by=node_of(asked),
        other=peer_of(asked),
        timer=timers.Timer(after_s=seconds["after_s"], after_read_s=seconds["after_read_s"]),
        by_partner=True,
    )
    return {"success": True}


def _poll(asked: Asked) -> Json:
    body = asked.call.body
    try:
        poll = msgspec.convert(
            {name: body[name] for name in ("question", "options") if name in body}
            | {"type": "poll", "several": flag_member(body, "several", default=False)},
            SentPoll,
        )
    except msgspec.ValidationError as error:
        raise Refused(Why.BAD_REQUEST, f"The poll: {error}") from error
    act = PostText(to=peer_of(asked).id, content=poll, reply_to=text_member(body, "reply_to", required=False))
    edge = edges.EdgeCall(tx=asked.tx, acts=asked.acts, node=node_of(asked), call=asked.call, by_partner=True)
    message = edges.post_once(edge, act, peer_of(asked))
    return {"native_id": message.native_id, "federation": {"at_ms": message.at_ms}}


BY_NODE: Mapping[tuple[str, str], Callable[[Asked], Json]] = {
    ("POST", "edit"): _edit,
    ("POST", "unsend"): _unsend,
    ("POST", "vote"): _vote,
    ("POST", "typing"): _typing,
    ("POST", "presence"): _presence,
    ("POST", "timer"): _timer,
    ("POST", "poll"): _poll,
}
