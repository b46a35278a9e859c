"""The contract's ports, and what is said when they are taken."""

import socket

import pytest

from trinario.failures import Misconfigured
from trinario.ports import is_free, planned, require_free

RAILS = ("whatsapp", "messenger", "instagram")


def test_the_plan_is_the_contracts() -> None:
    """Base +0 NATS, +1 to +3 the rails, +11 to +13 their bridges, +20 the page, +30 metrics, +31 the ledger's."""
    ports = planned(7100, RAILS)
    assert ports.all() == {
        "nats": 7100,
        "rail-whatsapp": 7101,
        "rail-messenger": 7102,
        "rail-instagram": 7103,
        "bridge-whatsapp": 7111,
        "bridge-messenger": 7112,
        "bridge-instagram": 7113,
        "console": 7120,
        "router": 7130,
        "ledger": 7131,
    }


def test_base_zero_takes_free_ports() -> None:
    """All different, all free now."""
    ports = planned(0, RAILS).all().values()
    assert len(set(ports)) == 10
    assert all(is_free(port) for port in ports)


@pytest.mark.parametrize("base", [-1, 80, 65_530])
def test_a_base_out_of_range_is_refused(base: int) -> None:
    """With the range in the text."""
    with pytest.raises(Misconfigured, match="1024"):
        planned(base, RAILS)


def test_a_taken_port_is_named() -> None:
    """Which port, and whose it was to be."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Misconfigured, match=rf"{port} \(rail-messenger\).*--port-base"):
            require_free({"rail-messenger": port})
    require_free({"rail-messenger": port})
