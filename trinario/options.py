"""Options that every command has."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from trinario.output import Output
from trinario.place import Place

Flag = Annotated[bool, Parameter(negative=(), show_default=False)]
"""A switch without a ``--no-`` form."""

As = Annotated[str, Parameter(name="--as")]
With = Annotated[str, Parameter(name="--with")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Common:
    """Where the data is, and how to answer."""

    data: Path | None = None
    """Data folder. Default: $TRINARIO_DATA, else the platform's user data folder."""
    json: Flag = False
    """JSON on stdout: one document, or a line each for streams."""

    def place(self) -> Place:
        """The data folder meant."""
        return Place.chosen(self.data)

    def output(self) -> Output:
        """How to answer."""
        return Output(as_json=self.json)


COMMON = Common()
