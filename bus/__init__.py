"""The backbone: everything that touches NATS, SQLite, the configuration and the logs.

The bus carries bytes and knows no payload. It imports `schemas.ids` at most; nothing else imports `nats` or `nkeys`.

    config      settings from defaults, `trinario.toml`, environment and flags
    subjects    every subject and stream name, built and parsed
    keys        one NKey a role, and what each role may publish and hear
    server      the embedded nats-server: started, watched, restarted
    connection  one connection to the bus, with our own requests and raw inboxes
    topology    every stream, bucket and consumer, as data
    stored      a message as JetStream keeps it, and reading it back by sequence or subject
    reader      reading a stream from one's own cursor
    commit      the fenced commit: one record, one fsync, one owner
    publish     publishing until acknowledged, each id once
    kv          buckets
    leases      who owns which partition, and who is there to own one
    sqlite      the house's SQLite file: one writer, shared commits
    health      the daemons' HTTP: alive, ready, status, metrics
    logs        structured logs that hold ids only
    runtime     starting, draining and restarting daemons
"""
