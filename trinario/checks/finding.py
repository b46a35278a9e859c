"""One thing that `doctor` looked at."""

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """`what` was looked at, and what was found. `remedy` says how to mend it, and is empty when all is well."""

    what: str
    found: str
    remedy: str = ""

    @property
    def is_well(self) -> bool:
        """Whether nothing needs doing."""
        return not self.remedy
