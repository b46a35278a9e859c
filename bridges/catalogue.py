"""Which bridges there are: the modules of this package that offer a `TRANSLATOR`. A new rail is a new file here."""

import importlib
import pkgutil

import bridges
from bridges.kit.contract import Translator
from schemas.ids import RailName


def discover() -> dict[RailName, Translator]:
    """Rail name -> translator, in the order of the names."""
    found: dict[RailName, Translator] = {}
    for module in pkgutil.iter_modules(bridges.__path__):
        if not module.ispkg and module.name != "catalogue":
            translator: Translator | None = getattr(
                importlib.import_module(f"bridges.{module.name}"), "TRANSLATOR", None
            )
            if translator is not None:
                found[translator.rail] = translator
    return dict(sorted(found.items()))
