"""bridge new: the file that a further rail begins with.

It is a copy of a bridge that works, under the new name: what the platform does otherwise is then changed in it from top
to bottom, with the conformance suite telling what is not right yet. So there is no template that could fall behind.
"""

import re
from pathlib import Path

import bridges
from trinario.failures import Misused, NotFound, Refused
from trinario.options import COMMON, Common

_NAME = re.compile(r"[a-z][a-z0-9]{1,30}")
"""A rail's name that is a module's, too."""

_TRANSLATOR = re.compile(r"^TRANSLATOR: Translator = (\w+)\(\)", re.MULTILINE)
_DOCSTRING = '''"""{title}: begun as a copy of `bridges/{like}.py`. What {title} does otherwise is to be changed here.

docs/adding-a-rail.md says in which order. Put the addresses of the platform's own pages here.
"""'''

_SECTION = '[rails.{name}]\nurl = "https://rail.example:443"\npartner_token = "..."\npartner_secret = "..."'


def written(source: str, *, like: str, name: str) -> str:
    """The new bridge's text, from that of the one it is to be like.

    Changed are the docstring, the rail's name and the class; addresses and limits are left to be changed by
    whoever knows them.
    """
    _, _, rest = source.partition('"""')
    _, _, code = rest.partition('"""')
    found = _TRANSLATOR.search(code)
    if found is not None:
        code = re.sub(rf"\b{found[1]}\b(?=[(:])", name.title(), code)
    code = code.replace(f'RailName("{like}")', f'RailName("{name}")')
    return _DOCSTRING.format(title=name.title(), like=like) + code


def new(name: str, /, *, like: str = "messenger", folder: Path | None = None, common: Common = COMMON) -> None:
    """Write the file that a bridge for a further rail begins with, and say what comes next.

    Parameters
    ----------
    name
        The rail's name: small letters and digits. It stands in handles, settings and subjects.
    like
        The bridge to begin as a copy of: the one whose platform is nearest.
    folder
        Where the bridges are. Default: those of this installation.
    """
    if not _NAME.fullmatch(name):
        raise Misused(f"{name!r} is no name for a rail: expected 2 to 31 small letters and digits, such as telegraph.")
    where = folder if folder is not None else Path(bridges.__path__[0])
    source, target = where / f"{like}.py", where / f"{name}.py"
    if not source.is_file() or not _TRANSLATOR.search(source.read_text()):
        raise NotFound(f"There is no bridge {source} to begin as a copy of. Name another with --like.")
    if target.exists():
        raise Refused(f"{target} is there already. Choose another name, or remove it first.")
    target.write_text(written(source.read_text(), like=like, name=name))
    section = _SECTION.format(name=name)
    common.output().document(
        {"file": str(target), "settings": section, "suite": f"python -m pytest tests/conformance -k {name}"},
        lambda: (
            f"Written: {target}\n\nInto trinario.toml:\n\n{section}\n\n"
            f"Then change the file where the platform differs, until this is green:\n"
            f"  TRINARIO_CONFORMANCE_{name.upper()}='URL PARTNER_TOKEN PARTNER_SECRET'"
            f" python -m pytest tests/conformance -k {name}\n\n"
            "docs/adding-a-rail.md says what belongs in it."
        ),
    )
