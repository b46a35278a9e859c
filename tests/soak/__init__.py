"""A federation of real processes under load and under faults, for as long as told: ``python -m tests.soak``."""
