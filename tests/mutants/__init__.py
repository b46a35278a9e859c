"""Planted bugs that must be found: ``make mutants`` expects red. The plantations are in `tests.mutants.catalogue`."""
