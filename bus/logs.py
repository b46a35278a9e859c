"""Structured logs that hold identifiers, never what people wrote, their addresses or any secret.

One line an event, named ``noun.verb_past``. JSON where no person watches (and always on request): a JSON line cannot be
forged by a newline or an escape character in a value. Every daemon calls `configure` once, at its start.
"""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import structlog
import structlog.tracebacks

Format = Literal["auto", "json", "console"]

SECRET_KEYS = frozenset(
    {"text", "body", "payload", "content", "caption", "address", "handle", "phone", "name_shown"}
    | {"token", "secret", "seed", "password", "authorization", "signature", "partner_token", "partner_secret"}
)
"""Keys whose values never reach a log, at any depth."""

# Without the locals of each frame: they hold texts, tokens and secrets.
_tracebacks = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
_HIDDEN = "[hidden]"
_CONTROLS = {code: f"\\x{code:02x}" for code in [*range(32), *range(127, 160)]}
_DEEPEST = 4


def configure(level: str = "info", format: Format = "auto") -> None:  # noqa: A002 - the setting's name
    """Set the process's logs up: `level` is debug, info, warning, error or critical; they go to stderr."""
    chosen = logging.getLevelNamesMapping().get(level.upper())
    if chosen is None:
        raise ValueError(f"{level!r} is not a log level; debug, info, warning, error and critical are.")
    as_json = format == "json" or (format == "auto" and not sys.stderr.isatty())
    renderers: list[structlog.typing.Processor] = (
        [_tracebacks, structlog.processors.JSONRenderer()]
        if as_json
        else [_without_controls, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            hide_secrets,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(chosen),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries speak only when something is wrong, and nats-py's own lines repeat what `bus.connection` says.
    logging.basicConfig(level=max(chosen, logging.WARNING), stream=sys.stderr)
    logging.getLogger("nats").setLevel(logging.CRITICAL)


def hide_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: the values of `SECRET_KEYS` are replaced, in nested mappings and lists too."""
    for key, value in event.items():
        event[key] = _HIDDEN if key.lower() in SECRET_KEYS else _hide(value, _DEEPEST)
    return event


def _hide(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        if not depth:
            return _HIDDEN
        return {k: _HIDDEN if str(k).lower() in SECRET_KEYS else _hide(v, depth - 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_hide(item, depth - 1) for item in value] if depth else _HIDDEN
    return value


def _without_controls(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str) and key != "exception":
            event[key] = value.translate(_CONTROLS)
    return event
