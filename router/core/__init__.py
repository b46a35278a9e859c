"""The pure heart of the router: decisions as functions of values.

No I/O, clock, randomness, logging or await here; imports `schemas` only. Time is the event's, ids are hashes, and the
people it sees are an argument. What it decided is what the log says, so nobody has to decide again.
"""
