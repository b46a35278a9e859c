"""How an inbox line says what became of a message."""

import pytest

from trinario.messaging import _state


@pytest.mark.parametrize(
    ("message", "others", "said"),
    [
        ({"direction": "out", "status": "sent", "read_by": ["instagram:@bob"]}, 5, "read by 1 of 5"),
        ({"direction": "out", "status": "sent", "read_by": []}, 5, "sent"),
        ({"direction": "out", "status": "read"}, 0, "read"),
        ({"direction": "in", "read": False, "status": "sent", "read_by": []}, 5, "new"),
    ],
)
def test_a_line_says_how_many_have_read(message: dict[str, object], others: int, said: str) -> None:
    """In a group, of how many; elsewhere the status."""
    assert _state(message, others) == said
