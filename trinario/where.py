"""Where the daemons answer: as `up` has written down, or else as ``trinario.toml`` says for daemons that run alone."""

from trinario.place import Place, Running


def running(place: Place) -> Running:
    """The addresses of everything. Raises `NotReachable` when nothing says where anything is."""
    if place.run_file.exists() or not place.config_file.exists():
        return place.running()
    from trinario.settings import addresses, machine  # noqa: PLC0415 - where `up` runs, nobody need load the settings

    return addresses(machine(place, config=None).settings)
