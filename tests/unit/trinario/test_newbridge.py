"""A new bridge's file: a working one under another name, and clear words when that cannot be."""

import importlib.util
import shutil
from pathlib import Path

import pytest

import bridges
from bridges.catalogue import discover
from bridges.kit.contract import Translator
from schemas.ids import RailName
from trinario.failures import Misused, NotFound, Refused
from trinario.newbridge import new


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The bridges there are, in a folder to write to."""
    for file in Path(bridges.__path__[0]).glob("*.py"):
        shutil.copy(file, tmp_path)
    return tmp_path


def loaded(file: Path) -> Translator:
    """The translator of a file."""
    spec = importlib.util.spec_from_file_location(f"new_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Translator = module.TRANSLATOR
    return found


@pytest.mark.parametrize("like", ["whatsapp", "messenger", "instagram"])
def test_it_works_as_the_one_it_is_like(folder: Path, like: str) -> None:
    """Under its own name, with the same capabilities to begin with."""
    new("telegraph", like=like, folder=folder)
    made, model = loaded(folder / "telegraph.py"), discover()[RailName(like)]
    assert made.rail == "telegraph"
    assert made.capabilities.rail == "telegraph"
    assert type(made).__name__ == "Telegraph"
    assert made.capabilities.media == model.capabilities.media
    assert (folder / "telegraph.py").read_text().startswith('"""Telegraph: begun as a copy of')


def test_nothing_is_overwritten(folder: Path) -> None:
    """A second time is refused, and so is the name of a bridge that is there."""
    new("telegraph", folder=folder)
    before = (folder / "telegraph.py").read_text()
    for name in ("telegraph", "messenger"):
        with pytest.raises(Refused, match="is there already"):
            new(name, folder=folder)
    assert (folder / "telegraph.py").read_text() == before


@pytest.mark.parametrize("name", ["", "X", "two words", "../etc", "a-b", "9lives"])
def test_names_that_are_none(folder: Path, name: str) -> None:
    """A rail's name is a module's, too."""
    with pytest.raises(Misused, match="no name for a rail"):
        new(name, folder=folder)


@pytest.mark.parametrize("like", ["nothing", "catalogue", "__init__"])
def test_a_model_that_is_none(folder: Path, like: str) -> None:
    """Said with the file that was looked for."""
    with pytest.raises(NotFound, match="--like"):
        new("telegraph", like=like, folder=folder)
