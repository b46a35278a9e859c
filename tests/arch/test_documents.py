"""What is written in the documents is what the code says."""

import re
import tomllib
from pathlib import Path
from typing import Any

from bus import asyncapi
from bus.config import known_keys

ROOT = Path(__file__).parents[2]


def test_schemas_in_the_repository_are_those_of_the_code() -> None:
    """`make schemas` writes them; nobody edits them."""
    for name, text in asyncapi.rendered().items():
        assert (ROOT / "docs" / "schemas" / name).read_text() == text, "run `make schemas`"


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    """A `$ref` that points nowhere makes the document useless to generators."""
    document = asyncapi.document()
    for reference in references(document):
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def references(value: Any) -> list[str]:
    """All `$ref`s within."""
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [ref for item in value.values() for ref in references(item)]
    return [ref for item in value for ref in references(item)] if isinstance(value, list) else []


def test_links_between_documents_lead_somewhere() -> None:
    """Relative links in Markdown name files that are there."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert len(pages) > 5
    for page in pages:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_every_dependency_has_its_reason() -> None:
    """docs/dependencies.md names each package of pyproject.toml."""
    table = (ROOT / "docs" / "dependencies.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in project["dependencies"]:
        name = re.split(r"[\[<>=; ]", requirement)[0]
        assert f"| {name}" in table, name


def test_decisions_are_listed() -> None:
    """A page nobody finds decides nothing."""
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()
    for page in (ROOT / "docs" / "decisions").glob("0*.md"):
        assert page.name in index


def test_every_setting_is_documented() -> None:
    """docs/configuration.md has a row a key, and no row for a key that is not there."""
    rows = re.findall(r"^\| `([a-z_.A-Z]+)` \|", (ROOT / "docs" / "configuration.md").read_text(), re.MULTILINE)
    assert sorted(row.replace("NAME", "*") for row in rows) == sorted(known_keys())
