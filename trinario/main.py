"""The tree of commands, and the way from an error to an exit code.

Commands are named here and loaded when they are called: ``trinario --help`` and the commands of a person's app must
not pay for loading the daemons.
"""

import asyncio
import os
import sys
import traceback

from cyclopts import App, CycloptsError

from trinario import __version__
from trinario.failures import first_cause
from trinario.output import FAILED, INTERRUPTED, USAGE, exit_code
from trinario.processes import die_with_parent

_PEOPLE, _ROUTING, _RUNNING = "Who is who", "What goes where, and is all well", "Running it"
_MESSAGES = "Being somebody on a rail"


def build() -> App:
    """Every command, its one line and its example."""
    app = App(
        name="trinario",
        version=__version__,
        help="One conversation over every messaging service its people are on.",
        help_format="plaintext",
        help_epilogue="Begin with:\n  trinario up --demo",
        suppress_keyboard_interrupt=False,
    )
    _running(app)
    _messages(app)
    _people(app)
    _routing(app)
    return app


def _command(app: App, name: str, target: str, words: str, *examples: str, group: str | None = None) -> None:
    shown = "\n".join(["Example:", *(f"  {example}" for example in examples)])
    app.command(f"trinario.{target}", name=name, help=words, help_epilogue=shown, group=group)


def _family(app: App, name: str, words: str, example: str, group: str) -> App:
    family = App(name=name, help=words, group=group, help_format="plaintext", help_epilogue=f"Example:\n  {example}")
    app.command(family)
    return family


def _running(app: App) -> None:
    _command(
        app,
        "up",
        "up:up",
        "Start everything on this machine: NATS, the rails, their bridges and the router.",
        "trinario up --demo",
        "trinario up --port-base 0 --processes --json",
        group=_RUNNING,
    )
    _command(
        app,
        "backup",
        "backup:backup",
        "Save everything into a folder, while it runs.",
        "trinario backup /srv/backups/monday",
        group=_RUNNING,
    )
    _command(
        app,
        "restore",
        "backup:restore",
        "Make a data folder from a backup.",
        "trinario restore /srv/backups/monday --data /srv/trinario",
        group=_RUNNING,
    )
    nats = _family(app, "nats", "The bus's server.", "trinario nats run", _RUNNING)
    _command(
        nats, "run", "daemons.nats:nats_run", "Run nats-server with the bus's streams and keys.", "trinario nats run"
    )
    rail = _family(app, "rail", "The bundled messaging services.", "trinario rail run whatsapp", _RUNNING)
    _command(rail, "run", "daemons.rail:rail_run", "Run one bundled rail.", "trinario rail run whatsapp")
    node = App(name="node", help="Business accounts.", help_format="plaintext", help_epilogue="Example:\n  " + _NODE)
    rail.command(node)
    _command(node, "create", "nodes:create", "Make a business node for the platform's own API.", _NODE)
    bridge = _family(app, "bridge", "What joins a rail to the bus.", "trinario bridge run whatsapp", _RUNNING)
    _command(bridge, "run", "daemons.bridge:bridge_run", "Run the bridge of one rail.", "trinario bridge run whatsapp")
    _command(
        bridge,
        "new",
        "newbridge:new",
        "Write the file that a bridge for a further rail begins with.",
        "trinario bridge new telegraph",
        "trinario bridge new telegraph --like whatsapp",
    )
    console = _family(app, "console", "The web page.", "trinario console run", _RUNNING)
    _command(console, "run", "daemons.console:console_run", "Run the web page.", "trinario console run")
    router = _family(app, "router", "What decides who gets what.", "trinario router run", _RUNNING)
    _command(router, "run", "daemons.router:router_run", "Run a router; several share the work.", "trinario router run")
    ledger = _family(app, "ledger", "What became of every message.", "trinario ledger run", _RUNNING)
    _command(ledger, "run", "daemons.ledger:ledger_run", "Keep the ledger, and answer about it.", "trinario ledger run")
    _command(
        ledger, "rebuild", "history:rebuild", "Make the ledger anew from the log.", "trinario ledger rebuild --json"
    )
    config = _family(app, "config", "Settings.", "trinario config explain", _RUNNING)
    _command(
        config,
        "explain",
        "settings:explain",
        "Every setting, its value, and where the value came from.",
        "TRINARIO_ROUTER__BATCH=128 trinario config explain",
    )


_NODE = "trinario rail node create whatsapp --name 'Pasta & Co'"


def _messages(app: App) -> None:
    account = _family(
        app, "account", "Accounts on the rails.", "trinario account register instagram:@carla --name Carla", _MESSAGES
    )
    _command(
        account,
        "register",
        "accounts:register",
        "Register an account on its rail, and keep its session.",
        "trinario account register instagram:@carla --name Carla",
    )
    _command(
        account,
        "block",
        "accounts:block",
        "Hear from somebody no more, on any rail.",
        "trinario account block --as instagram:@bob instagram:@carla",
    )
    _command(
        account,
        "unblock",
        "accounts:unblock",
        "Hear from somebody again.",
        "trinario account unblock --as instagram:@bob instagram:@carla",
    )
    _command(
        app,
        "send",
        "messaging:send",
        "Write to anybody, from any rail, by any of their handles.",
        "trinario send --as whatsapp:+393331112222 --to instagram:@bob 'Ciao Bob!'",
        "trinario send --as whatsapp:+393331112222 --to instagram:@bob --file beach.jpg 'Look!'",
        "trinario send --as whatsapp:+393331112222 --to instagram:@bob --expires 1h 'The code is 4711.'",
        group=_MESSAGES,
    )
    _command(
        app,
        "timer",
        "messaging:timer",
        "Let what is written in a thread from now on go by itself.",
        "trinario timer --as whatsapp:+393331112222 --with instagram:@bob --expires 24h",
        "trinario timer --as whatsapp:+393331112222 --with instagram:@bob --off",
        group=_MESSAGES,
    )
    _changes(app)
    _groups(app)
    _command(
        app,
        "inbox",
        "messaging:inbox",
        "What an account has been written and has written.",
        "trinario inbox --as messenger:bob.rossi --unread",
        group=_MESSAGES,
    )
    _command(
        app,
        "read",
        "messaging:read",
        "Read a thread here, and so everywhere.",
        "trinario read --as instagram:@bob --with whatsapp:+393331112222",
        group=_MESSAGES,
    )
    _command(
        app,
        "mark",
        "messaging:mark",
        "Mark a thread as unread, muted, archived or pinned.",
        "trinario mark pinned --as instagram:@bob --with whatsapp:+393331112222",
        group=_MESSAGES,
    )
    _command(
        app,
        "watch",
        "messaging:watch",
        "What happens to an account, as it happens.",
        "trinario watch --as instagram:@bob",
        group=_MESSAGES,
    )
    _command(
        app,
        "chat",
        "chat.command:chat",
        "Write and read live, in this terminal.",
        "trinario chat --as instagram:@bob",
        group=_MESSAGES,
    )


_GROUP = "grp_4f1c2a"


def _groups(app: App) -> None:
    made = "trinario group create --as instagram:@bob --name Sunday --with whatsapp:+393331112222"
    group = _family(app, "group", "Groups of people, on all their rails.", made, _MESSAGES)
    me = "--as instagram:@bob"
    _command(group, "create", "groups:create", "Make a group.", made, f"{made} --until 2030-05-01T18:00")
    _command(group, "list", "groups:listed", "The groups of an account.", f"trinario group list {me}")
    _command(group, "show", "groups:show", "Who is in it.", f"trinario group show {_GROUP} {me}")
    more = f"trinario group invite {_GROUP} {me} --with messenger:alice.bianchi"
    _command(group, "invite", "groups:invite", "Let people in.", more)
    _command(group, "leave", "groups:leave", "Be in it no longer.", f"trinario group leave {_GROUP} {me}")
    gone = f"trinario group remove {_GROUP} instagram:@carla {me}"
    _command(group, "remove", "groups:remove", "Take somebody out.", gone, f"{gone} --ban")
    _command(
        group,
        "unban",
        "groups:unban",
        "Let somebody be invited again.",
        f"trinario group unban {_GROUP} instagram:@carla {me}",
    )
    _command(
        group,
        "role",
        "groups:role",
        "Make an admin, or none.",
        f"trinario group role {_GROUP} instagram:@carla admin {me}",
    )
    _command(
        group,
        "rename",
        "groups:rename",
        "Another name, or another end.",
        f"trinario group rename {_GROUP} 'Sunday lunch' {me}",
        f"trinario group rename {_GROUP} --until never {me}",
    )
    would = f"trinario group plan {_GROUP}"
    _command(
        group,
        "plan",
        "planning:plan",
        "What each rail's group is to look like.",
        would,
        f"{would} --with messenger:alice.bianchi",
    )
    _command(group, "close", "groups:close", "End it.", f"trinario group close {_GROUP} {me}")


_ID = "wamid.HBgMMzkzMzMxMTEyMjIy"


def _changes(app: App) -> None:
    for name, words, rest in (
        ("edit", "Say a message of yours otherwise, everywhere.", "'On Sunday, not on Monday.'"),
        ("unsend", "Take a message of yours back, everywhere.", ""),
        ("react", "React to a message.", "❤️"),
        ("vote", "Vote in a poll.", "2"),
        ("download", "Save the file of a message.", "--to beach.jpg"),
    ):
        example = f"trinario {name} --as whatsapp:+393331112222 {_ID} {rest}".rstrip()
        _command(app, name, f"changing:{name}", words, example, group=_MESSAGES)


def _people(app: App) -> None:
    person = _family(app, "person", "People and their accounts.", "trinario person list", _PEOPLE)
    _command(person, "list", "people:listed", "Everybody the federation knows.", "trinario person list")
    _command(person, "show", "people:show", "One person.", "trinario person show instagram:@bob")
    _command(
        person,
        "link",
        "people:link",
        "Make two accounts one person.",
        "trinario person link messenger:bob.rossi instagram:@bob --trust",
    )
    _command(
        person,
        "unlink",
        "people:unlink",
        "Make an account a person of its own again.",
        "trinario person unlink instagram:@bob",
    )
    _command(
        person,
        "prefer",
        "people:prefer",
        "Where a person is to be reached, and whether others see what they have read.",
        "trinario person prefer instagram:@bob --no-receipts --never messenger",
    )
    _command(
        person,
        "timer",
        "lasting:lasting",
        "Let what a person writes from now on go by itself.",
        "trinario person timer instagram:@bob --expires 7d",
    )


def _routing(app: App) -> None:
    route = _family(
        app,
        "route",
        "The router's decisions.",
        "trinario route explain --from instagram:@bob --to instagram:@carla",
        _ROUTING,
    )
    _command(
        route,
        "explain",
        "inspect:route_explain",
        "Where a message would go, and why: the router's own code, without sending.",
        "trinario route explain --from whatsapp:+393331112222 --to instagram:@bob",
        "trinario route explain --from whatsapp:+393331112222 --to instagram:@bob --kind video --size 80000000",
    )
    _command(
        route,
        "diff",
        "replay:route_diff",
        "What recorded messages would do under another policy. Nothing is sent.",
        "trinario route diff --policy quiet.toml --since 24h",
    )
    _command(
        app,
        "trace",
        "trace:trace",
        "The way of one message, by its id on the bus or on any rail.",
        "trinario trace evt_mzxw6ytboi4dmmrqgq3tmnzxga",
        group=_ROUTING,
    )
    _command(
        app,
        "why",
        "trace:why",
        "Why somebody did, or did not, get a message.",
        "trinario why evt_mzxw6ytboi4dmmrqgq3tmnzxga instagram:@bob",
        group=_ROUTING,
    )
    _command(
        app,
        "check",
        "check:check",
        "Do all rails show the same? What differs, and why.",
        "trinario check --since 1h",
        group=_ROUTING,
    )
    _command(
        app,
        "search",
        "history:search",
        "Messages in which these words stand.",
        "trinario search pasta tonight",
        group=_ROUTING,
    )
    _command(
        app,
        "loss",
        "history:loss",
        "What somebody did not see as it was meant, and why.",
        "trinario loss --of instagram:@bob",
        group=_ROUTING,
    )
    _command(
        app,
        "repair",
        "repair:repair",
        "Give recipients what they missed, where it can still be given.",
        "trinario repair --dry-run",
        "trinario repair --of instagram:@bob",
        group=_ROUTING,
    )
    _command(
        app,
        "top",
        "top.command:top",
        "Everything on one screen, live: parts, rates, slowest legs, dead letters.",
        "trinario top",
        "trinario top --every 5 --json",
        group=_ROUTING,
    )
    _command(app, "status", "status:status", "How each part is doing.", "trinario status", group=_ROUTING)
    _command(
        app,
        "tail",
        "inspect:tail",
        "What the router decides, as it does; no texts.",
        "trinario tail --rail whatsapp --json",
        group=_ROUTING,
    )
    dead = _family(app, "dead", "What could not be delivered or understood.", "trinario dead list", _ROUTING)
    _command(dead, "list", "dead:listed", "All of it.", "trinario dead list")
    _command(dead, "show", "dead:show", "One of them, with its content.", "trinario dead show 12")
    _command(
        dead,
        "redrive",
        "dead:redrive",
        "Try some of them again. What the rail shows already is not sent twice.",
        "trinario dead redrive 12",
        "trinario dead redrive 12 13 14",
    )
    _command(
        dead,
        "drop",
        "dead:drop",
        "Give one up for good; why is kept.",
        "trinario dead drop 12 --why 'Alice has written again'",
    )
    _command(app, "doctor", "doctor:doctor", "Is all well, and if not, what to do.", "trinario doctor", group=_ROUTING)


def main() -> int:
    """Run the command of ``sys.argv``. Returns its exit code."""
    die_with_parent()
    try:
        answer = build()(result_action="return_value", exit_on_error=False)
    except CycloptsError:
        return USAGE  # it has been shown
    except BrokenPipeError:
        # Whoever read our output has gone (`trinario tail | head`); Python must not try to flush it at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (Exception, KeyboardInterrupt, asyncio.CancelledError) as error:  # noqa: BLE001 - the last line of defence
        return _ended_by(error)
    return answer if isinstance(answer, int) else 0


def _ended_by(error: BaseException) -> int:
    code = exit_code(error := first_cause(error))
    if code is None:
        traceback.print_exception(error)
        print("trinario: this is a fault in Trinario itself; please report it with the lines above.", file=sys.stderr)
        return FAILED
    if code != INTERRUPTED:
        print(f"trinario: {error}", file=sys.stderr)
    return code
