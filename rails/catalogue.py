"""The bundled rails, by name: what a command line offers."""

from collections.abc import Mapping

from rails.instagram import RAIL as INSTAGRAM
from rails.kit.rail import Rail
from rails.messenger import RAIL as MESSENGER
from rails.whatsapp import RAIL as WHATSAPP

BUNDLED: Mapping[str, Rail] = {rail.name: rail for rail in (WHATSAPP, MESSENGER, INSTAGRAM)}
