"""docs/rails.md says what the capability documents say."""

from bridges.catalogue import discover
from bridges.kit import lost
from bridges.kit.downgrade import Fitted
from tests.conformance import samples, table


def test_the_page_is_what_the_documents_say() -> None:
    """`make rails-table` writes it; nobody edits it."""
    page = table.PAGE.read_text()
    assert table.written(page) == page, "run `make rails-table`"


def test_every_sample_arrives_on_every_rail() -> None:
    """In some form, with losses that are in the table."""
    for rail in discover().values():
        for kind, content in samples.KINDS.items():
            found = samples.fitting(rail, content)
            assert isinstance(found, Fitted), (rail.rail, kind, found)
            assert found.pieces, (rail.rail, kind)
            assert set(found.lost) <= set(lost.phrases())
