"""Bridges: the only code that knows a rail's ids and wire format. One runtime (`bridges.kit`), one file a rail."""
