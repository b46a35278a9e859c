"""The contract between daemons: what crosses the bus, and nothing else.

Pure values and pure functions over them. Imports msgspec only; reads no clock, does no I/O.

    ids           identifiers, their hashes, partitions
    handles       ``rail:address``, parsing and folding
    people        persons, their accounts and preferences
    content       what a message says
    events        what a bridge or an operator publishes
    markers       delivered and read, and how they join
    capabilities  what a rail can carry
    vanishing     when messages go by themselves, and which of several wishes holds
    log           what the router decided: records, entries, legs
    errors        why something was refused, in words for people
    codec         msgpack encoders and decoders, one a type
"""
