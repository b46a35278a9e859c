"""doctor: looks at everything from outside, and says what is wrong and how to mend it. What is looked at: `checks`."""

from pathlib import Path

import msgspec

from bus.config import ConfigurationError, Settings
from trinario.checks import bus, machine, parts
from trinario.checks.finding import Finding
from trinario.failures import Misconfigured, NotReachable
from trinario.options import COMMON, Common
from trinario.output import DONE, FAILED, table
from trinario.place import Place
from trinario.settings import machine as read_settings
from trinario.status import collected
from trinario.where import running


async def doctor(*, config: Path | None = None, common: Common = COMMON) -> int:
    """Is all well, and if not, what to do. Exit code 0 when it is, 1 when something wants doing.

    Parameters
    ----------
    config
        Settings file. Default: trinario.toml in the data folder, if there is one.
    """
    findings = await examined(common.place(), config)
    wrong = [one for one in findings if not one.is_well]
    shown = {
        "well": not wrong,
        "findings": [{**msgspec.to_builtins(one), "well": one.is_well} for one in findings],
    }
    rows = [(one.what, "ok" if one.is_well else "LOOK", one.found, one.remedy) for one in findings]
    common.output().document(shown, lambda: table(("what", "", "found", "how to mend it"), rows, empty=""))
    return FAILED if wrong else DONE


async def examined(place: Place, config: Path | None = None) -> list[Finding]:
    """Everything looked at, in the order of cause and effect: machine, bus, daemons."""
    findings = [machine.versions()]
    try:
        found = read_settings(place, config=config)
    except (ConfigurationError, Misconfigured) as error:
        remedy = f"{error} `trinario config explain` shows where each value comes from."
        return [*findings, Finding(what="configuration", found="cannot be used", remedy=remedy), machine.modes(place)]
    settings = found.settings
    findings += [
        Finding(what="configuration", found=_sources(place, config)),
        await machine.server_binary(settings, runs_nats=found.runs_nats),
        machine.disk(place, enough_bytes=settings.doctor.free_bytes),
        machine.modes(place),
        *await machine.stores(place),
    ]
    return findings + await _running(place, settings, runs_nats=found.runs_nats)


def _sources(place: Place, config: Path | None) -> str:
    file = config or place.config_file
    return f"read from {file}" if file.exists() else "the defaults, and the environment"


async def _running(place: Place, settings: Settings, *, runs_nats: bool) -> list[Finding]:
    try:
        known = running(place)
    except NotReachable as error:
        return [
            Finding(what="running", found="no", remedy=str(error)),
            *machine.ports(settings, runs_nats=runs_nats),
        ]
    where = f"process {known.pid}, data in {known.data}" if known.pid else f"each alone, as {place.config_file} says"
    return [
        Finding(what="running", found=where),
        *await bus.bus(place, known, settings),
        *await parts.parts(known, await collected(known), settings),
    ]
