"""The web page: three phones and the line map. One daemon serves it; no other part imports it.

    daemon     wires everything, and runs it
    gate       what every request passes: Host, Origin, session, headers
    login      the key in the address, and the cookie it is changed for
    assets     the page's own files
    proxy      a phone's calls, handed to its rail under the account's session
    people     who can be chosen: sessions of the data folder; registering more
    sockets    the one WebSocket of a page: what happens, for every phone on it
    buslink    the console's connection to the bus; the page also works without it
    sights     what is read off the bus: entries, traces, dry runs, dead letters, persons
    linemap    the live part of the line map
    answers    JSON answers and errors

Nothing here keeps anything but the login key: messages stay with the rails, decisions on the bus.
"""
