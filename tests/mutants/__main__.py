"""``python -m tests.mutants [NAME ...]``: plant each bug in a copy of the tree, and see the tests fail.

Ends with 1 when a mutant lives: then either a test is missing or the bug is none.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants.catalogue import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
_COPIED = ("schemas", "bus", "router", "bridges", "rails", "trinario", "tests", "pyproject.toml", "docs")
_FAILED = 1
"""Pytest's exit code when tests failed; anything else means that they did not run."""


def planted(mutant: Mutant, text: str) -> str:
    """The file's text with the bug in it. Raises `ValueError` when the place is not there exactly once."""
    if text.count(mutant.before) != 1:
        times = text.count(mutant.before)
        raise ValueError(f"{mutant.name}: {mutant.file} has the place {times} times, not once; see the catalogue.")
    return text.replace(mutant.before, mutant.after)


def is_killed(mutant: Mutant, tree: Path) -> bool:
    """Plant it in the copy, run its tests, and take it out again."""
    path = tree / mutant.file
    original = path.read_text()
    path.write_text(planted(mutant, original))
    try:
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *mutant.tests],
            cwd=tree,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        path.write_text(original)
    if run.returncode not in (0, _FAILED):
        raise RuntimeError(
            f"{mutant.name}: pytest ended with {run.returncode}:\n{run.stdout[-2000:]}{run.stderr[-2000:]}"
        )
    return run.returncode == _FAILED


def main(names: list[str]) -> int:
    """The command."""
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    alive: list[str] = []
    with tempfile.TemporaryDirectory(prefix="trinario-mutants-") as folder:
        tree = Path(folder)
        for name in _COPIED:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, tree / name)
        for mutant in chosen:
            began_s = time.monotonic()
            killed = is_killed(mutant, tree)
            print(
                f"{'killed' if killed else 'LIVES '}  {mutant.name}  ({time.monotonic() - began_s:.0f} s)", flush=True
            )
            alive += [] if killed else [mutant.name]
    print(f"mutants: {len(chosen) - len(alive)} of {len(chosen)} killed")
    return 1 if alive or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
