"""Judges what people saw against what they did. Knows nothing of the system; see `tests.checker.history`."""
