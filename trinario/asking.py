"""Questions to the ledger, from a command: and what the log itself tells where no ledger answers."""

from collections.abc import Callable
from typing import Any

from bus.connection import Connection
from bus.service import CannotAnswer, NobodyAnswers
from router.ledger.reasons import why as reasons
from router.ledger.service import Asking
from router.ledger.story import told
from router.people import People
from router.trace import facts_of
from schemas.handles import Handle
from trinario.failures import NotFound

Say = Callable[[str], None]
"""Told what a person may want to know beside the answer."""

_NO_LEDGER = "No ledger answers; reading the log itself, which takes longer."
_BEHIND = "The ledger has {behind} log records still to read; reading the log itself."


async def story(connection: Connection, any_id: str, say: Say) -> dict[str, Any]:
    """What became of a message. Raises `NotFound`."""
    found = await _asked(connection, say, "trace", id=any_id)
    if found is None:
        facts = await facts_of(connection, any_id)
        found = {"found": told(facts) if facts is not None else None}
    return _there(any_id, found["found"])


async def why(connection: Connection, any_id: str, handle: Handle, say: Say) -> dict[str, Any]:
    """Why an account did, or did not, get a message. Raises `NotFound`."""
    found = await _asked(connection, say, "why", id=any_id, handle=handle)
    if found is None:
        facts = await facts_of(connection, any_id)
        people = People(connection)
        await people.prefetch([handle])
        person = people.whose(handle)
        found = {"found": reasons(facts, handle, person.id if person else None) if facts is not None else None}
    return _there(any_id, found["found"])


async def page(connection: Connection, question: str, say: Say, **asked: Any) -> list[dict[str, Any]]:
    """A question that only the ledger can answer: `search`, `loss`. Raises `NobodyAnswers`."""
    answer = await Asking(connection)(question, **asked)
    if answer["behind"]:
        say(f"The ledger has {answer['behind']} log records still to read: there may be more.")
    found: list[dict[str, Any]] = answer["found"]
    return found


async def _asked(connection: Connection, say: Say, question: str, **asked: Any) -> dict[str, Any] | None:
    """The ledger's answer; None, and said so, when there is none or it may be missing something."""
    try:
        answer = await Asking(connection)(question, **asked)
    except (NobodyAnswers, CannotAnswer):  # the latter: its file is being made anew
        say(_NO_LEDGER)
        return None
    if answer["found"] is None and answer["behind"]:
        say(_BEHIND.format(behind=answer["behind"]))
        return None
    return answer


def _there(any_id: str, found: dict[str, Any] | None) -> dict[str, Any]:
    if found is None:
        raise NotFound(
            f"No message {any_id!r} is on the log. `trinario send --json` and `trinario inbox --json` show native "
            "ids; a message that has only just been sent may still be on its way."
        )
    return found
