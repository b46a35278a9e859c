"""Writes what the bus carries as JSON Schema and as an AsyncAPI 3.0 document: ``python -m bus.asyncapi FOLDER``.

Made from the schemas and from `bus.subjects`, so it cannot say anything else than the code. Called by `make schemas`; a
test compares the files in the repository with what this would write.
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from bus import subjects
from schemas.capabilities import Capabilities
from schemas.dead import Letter, Note, Redriven
from schemas.events import (
    AccountSeen,
    Block,
    Edit,
    Expired,
    GroupChanged,
    GroupFounded,
    Link,
    Marked,
    Membership,
    Message,
    Prefer,
    Reaction,
    Receipt,
    Results,
    TimerSet,
    Unlink,
    Unsend,
    Vote,
)
from schemas.live import Presence, Typing
from schemas.log import VERSION, Conversation, Leg, Record, Seat
from schemas.people import Person

EVENTS = (
    Message,
    Receipt,
    Marked,
    Edit,
    Unsend,
    Reaction,
    Vote,
    Expired,
    TimerSet,
    GroupFounded,
    Membership,
    GroupChanged,
    Results,
    AccountSeen,
    Block,
    Link,
    Unlink,
    Prefer,
)
TYPES = (*EVENTS, Record, Leg, Seat, Conversation, Person, Capabilities, Letter, Note, Redriven, Typing, Presence)
MSGPACK = "application/msgpack"

# Addresses come from the functions that build the subjects, with the parameters put back in.
CHANNELS: dict[str, tuple[str, str, tuple[type, ...]]] = {
    "ingress": (
        subjects.ingress("rail", 7).replace("rail", "{rail}").replace("7", "{partition}"),
        "What a rail's bridge (or an operator) publishes, in the partition of its conversation.",
        EVENTS,
    ),
    "log": (
        subjects.log(7).replace("7", "{partition}"),
        "What the router decided: one record a commit.",
        (Record,),
    ),
    "dead": (
        subjects.dead("stage", "rail").replace("stage", "{stage}").replace("rail", "{rail}"),
        "What could not be understood or delivered; and what operators have done with it (stages redriven, dropped).",
        (Letter, Note),
    ),
    "live": (
        subjects.live(7, "rail", "kind")
        .replace("7", "{partition}")
        .replace("rail", "{rail}")
        .replace("kind", "{kind}"),
        "What is never stored: who is writing, and who is there. Core NATS; may be lost.",
        (Typing, Presence),
    ),
    "redrive": (
        subjects.redrive("rail").replace(".rail.", ".{rail}."),
        "An operator asks a rail's bridge to try a dead letter again; core NATS, answered by Redriven.",
        (Letter, Redriven),
    ),
    "state": ("$KV.STATE.{partition}.{conversation}", "Snapshots of conversations, written behind.", (Conversation,)),
    "directory": ("$KV.DIRECTORY.person.{person}", "People, written from the log.", (Person,)),
    "rails": ("$KV.RAILS.{rail}", "What each rail can carry, written by its bridge.", (Capabilities,)),
}


def json_schemas() -> dict[str, Any]:
    """Every type that crosses the bus, by name, as JSON Schema 2020-12 (msgpack has the same shape)."""
    _, components = msgspec.json.schema_components(TYPES, ref_template="#/components/schemas/{name}")
    return dict(sorted(components.items()))


def document() -> dict[str, Any]:
    """The AsyncAPI document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Trinario bus",
            "version": f"{VERSION}.0.0",
            "description": "What crosses the backbone, msgpack-encoded.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": MSGPACK,
        "channels": {name: _channel(name, *described) for name, described in CHANNELS.items()},
        "components": {
            "messages": {t.__name__: {"payload": {"$ref": f"#/components/schemas/{t.__name__}"}} for t in TYPES},
            "schemas": json_schemas(),
        },
    }


def _channel(name: str, address: str, description: str, carries: tuple[type, ...]) -> dict[str, Any]:
    parameters = [part[1:-1] for part in address.split(".") if part.startswith("{")]
    return {
        "address": address,
        "title": name,
        "description": description,
        "parameters": {parameter: {} for parameter in parameters},
        "messages": {t.__name__: {"$ref": f"#/components/messages/{t.__name__}"} for t in carries},
    }


def rendered() -> dict[str, str]:
    """File name -> text, for the folder that holds them."""
    schemas = {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": {"schemas": json_schemas()}}
    return {
        "asyncapi.json": json.dumps(document(), indent=1, sort_keys=True) + "\n",
        "schemas.json": json.dumps(schemas, indent=1, sort_keys=True) + "\n",
    }


def main() -> None:
    """Write the files into the folder named on the command line."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in rendered().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main()
