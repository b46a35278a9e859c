"""What a command ends with when it cannot do what it was asked: one exception for each way out.

The text of each is for people: it names the thing, what was expected, and what to do. `trinario.output` has the table
that turns these, and the errors of the parts below, into exit codes.
"""

from schemas.errors import TrinarioError


def first_cause(error: BaseException) -> BaseException:
    """What went wrong first inside a group of errors, as task groups raise them; the error itself otherwise."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class Failed(TrinarioError):
    """It was tried and did not work (exit 1)."""


class Misused(TrinarioError):
    """The words of the command do not make sense together (exit 2)."""


class NotFound(TrinarioError):
    """What was named does not exist (exit 3)."""


class Refused(TrinarioError):
    """It exists and works, and the answer is no (exit 4)."""


class NotReachable(TrinarioError):
    """Who was to do it does not answer (exit 69)."""


class Misconfigured(TrinarioError):
    """Settings, ports or folders cannot be used as they are (exit 78)."""
