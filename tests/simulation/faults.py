"""What goes wrong in a world, and when it is well again. Who draws it: `plans`."""

from collections import Counter

from tests.simulation.plans import Fault
from tests.simulation.world import Stage


def begin(stage: Stage, fault: Fault, happened: Counter[str]) -> None:
    """It goes wrong now."""
    happened[fault.kind] += 1
    server, loop = stage.server, stage.loop
    daemon = stage.daemons.get(fault.target)
    if daemon is None:
        server.restart()
        server.is_up = False
        loop.call_later(fault.ms / 1000, setattr, server, "is_up", True, context=loop.main.context)
        return
    match fault.kind:
        case "kill":
            daemon.kill()
            loop.call_later(fault.ms / 1000, daemon.start, context=loop.main.context)
        case "stop":
            daemon.stop()
            loop.call_later(fault.ms / 1000, daemon.go_on, context=loop.main.context)
        case "cut":
            daemon.cut(0.0)
        case "half-open":
            daemon.cut(fault.ms / 1000)
        case _:
            daemon.swallow(1 + fault.ms % 3)
