"""The daemons of one machine, a module each: how it is built from settings, and the command that runs it alone.

    nats      the embedded server with the bus's streams and keys
    rail      a bundled rail
    bridge    what joins a rail to the bus
    router    what decides
    ledger    what remembers
    alone     what the commands share

A process that runs one daemon loads that one only; `trinario.up` loads them all.
"""
