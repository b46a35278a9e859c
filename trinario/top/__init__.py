"""`trinario top`: the whole system on one screen, live.

sight      what is to be seen: gathered from the daemons and the bus, once a second; and the pure arithmetic of it
screen     how it is shown: a Textual application
command    the command line's way in
"""
