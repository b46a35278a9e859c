"""The planted bugs of `make mutants` still have their place in the code, and the tests that find them exist."""

from pathlib import Path

import pytest

from tests.mutants.__main__ import planted
from tests.mutants.catalogue import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_has_its_place(mutant: Mutant) -> None:
    """Otherwise it would be planted nowhere, and found by nothing."""
    text = (ROOT / mutant.file).read_text()
    assert planted(mutant, text) != text
    for name in mutant.tests:
        file, _, function = name.partition("::")
        assert f"def {function}(" in (ROOT / file).read_text()
