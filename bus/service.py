"""A service on the bus: questions answered by request and reply, found by anybody with NATS's own service tools.

Stands on nats-py's `micro`: ``nats micro ls``, ``info`` and ``stats`` know it. A question is one message of JSON on
``ask.<service>.<question>``, the answer another: ``{"answer": ...}`` or ``{"error": words}``. Answering needs no
permission to publish but the one that the server gives with each question (`keys.Permissions.responds`).
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
import nats.errors
import structlog
from nats.micro import add_service
from nats.micro.request import Request
from nats.micro.service import Service as MicroService

from bus.connection import Connection, NoAnswer, NoResponder
from bus.subjects import ask as ask_subject

Answerer = Callable[[dict[str, Any]], Awaitable[Any]]
"""What answers one question: its JSON object -> anything msgspec can write. A `CannotAnswer` goes to the asker."""

_KNOWN_WITHIN_S = 2
_log = structlog.get_logger(__name__)


class CannotAnswer(Exception):
    """The question cannot be answered; the text is for whoever asked."""


class NobodyAnswers(Exception):
    """No such service is on the bus now, or it did not answer in time."""


class Service:
    """A running service. Make it with `Service.open`."""

    def __init__(self, micro: MicroService) -> None:
        self._micro = micro

    @classmethod
    async def open(
        cls, conn: Connection, *, name: str, version: str, description: str, questions: Mapping[str, Answerer]
    ) -> "Service":
        """Answer these questions from now on, also after reconnects. Each kind is answered one at a time.

        The server knows of it when this comes back: who is told so may ask at once, by another connection.
        """
        micro = await add_service(conn.client, name=name, version=version, description=description)
        for question, answerer in questions.items():
            await micro.add_endpoint(
                name=question, subject=ask_subject(name, question), handler=_handler(question, answerer)
            )
        with suppress(nats.errors.Error, OSError, TimeoutError):  # whoever connects again subscribes again
            await conn.client.flush(timeout=_KNOWN_WITHIN_S)
        return cls(micro)

    async def close(self) -> None:
        """Answer no more."""
        await self._micro.stop()


def _handler(question: str, answerer: Answerer) -> Callable[[Request], Awaitable[None]]:
    async def handle(request: Request) -> None:
        try:
            asked = msgspec.json.decode(request.data or b"{}", type=dict[str, Any])
            body = msgspec.json.encode({"answer": await answerer(asked)})
        except (CannotAnswer, msgspec.MsgspecError) as error:
            body = msgspec.json.encode({"error": str(error)})
        except Exception:  # noqa: BLE001 - the asker is told, the log says what it was, and the service goes on
            _log.exception("question.failed", question=question)
            body = msgspec.json.encode({"error": "The question failed; the service's log says why."})
        await request.respond(body)

    return handle


async def ask(
    conn: Connection, service: str, question: str, asked: Mapping[str, Any] | None = None, *, wait_s: float = 10.0
) -> Any:
    """Ask a service. Raises `NobodyAnswers`, `CannotAnswer`, `NotConnected`."""
    try:
        delivery = await conn.request(ask_subject(service, question), msgspec.json.encode(asked or {}), wait_s=wait_s)
    except (NoResponder, NoAnswer) as error:
        raise NobodyAnswers(f"No {service} answers on the bus. `trinario {service} run` starts one.") from error
    answer = msgspec.json.decode(delivery.body, type=dict[str, Any])
    if "error" in answer:
        raise CannotAnswer(answer["error"])
    return answer["answer"]
