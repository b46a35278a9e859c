"""The router: it alone decides who gets what. `core` decides, everything else here reads, commits and remembers.

core        pure decisions: schemas in, schemas out
people      what the router knows of persons, from the directory
directory   writes the directory from the log (owner of the people partition)
partition   one partition: take over, decide, commit, fold
snapshots   conversations written behind, and the checkpoint they stand for
intake      one reader a source stream, shared by all partitions
daemon      wires it, keeps leases, answers /status
explain     the dry run behind `trinario route explain`
trace       what became of one event, read off the log
"""
