"""What `trinario doctor` looks at, a module each; every check only looks, and says how to mend what it finds.

finding   one thing looked at
machine   this machine: configuration, versions, disk, permissions, stores, ports
bus       NATS: the streams as they should be, how full they are, dead letters
parts     the daemons: states, clocks, credentials, who else sits on a port
"""
