"""The command line, and what starts and supervises the daemons on one machine.

    main         the tree of commands
    output       JSON or tables, talk on stderr, exit codes
    failures     what a command ends with when it cannot do what it was asked
    place        the data folder and what lies in it
    where        the daemons' addresses
    sessions     one token a handle
    client       the Client API of a rail
    accounts     account register, block, unblock
    messaging    send, inbox, timer, read, watch
    changing     edit, unsend, react, vote, download
    shown        a message as a line for people
    nodes        rail node create
    bus_access   a command's connection to the bus
    directory    who is who on the bus, and asking the router for changes
    people       person list, show, link, unlink, prefer
    lasting      person timer: how long what somebody writes lasts
    inspect      route explain, trace, tail
    status       how each part is doing
    dead         what could not be delivered or understood
    doctor       is everything well, and if not, what to do
    settings     configuration file, environment and flags together, every gap filled
    credentials  what a rail and its partner share
    ports        who listens where
    daemons/     each daemon, and the command that runs it alone
    keeping      starting daemons again when they die
    processes    daemons as child processes
    up           all of them together
    demo         Alice, Bob and Carla

Imports everything below it; nothing imports it.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("trinario")
except PackageNotFoundError:
    __version__ = "0+source"
"""The installed version; ``0+source`` when run from a checkout that is not installed."""
