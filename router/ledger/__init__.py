"""The ledger: what became of every message, kept in SQLite from the log, and told to whoever asks over NATS.

It only listens. Losing it loses no message: it can be deleted and is then made again from the log.

    facts      what an entry of the log says, as values (pure)
    store      the values as rows; the cursor with them
    projector  follows the log
    story      a message's rows as one answer (pure)
    queries    which rows, for which question
    service    the questions over NATS; asking, from the other side
    daemon     all of it, wired
"""
