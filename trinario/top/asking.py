"""What `top` asks before it does anything about a dead letter: whether to try it again, or why it is dropped."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, Static

from trinario.output import printable
from trinario.top.sight import Letter


class Redriving(ModalScreen[bool]):
    """Yes or no; nothing is done without a yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes, try it again"),
        Binding("n,escape,q", "answer(False)", "No"),
    ]

    def __init__(self, letter: Letter) -> None:
        super().__init__()
        self._letter = letter

    def compose(self) -> ComposeResult:
        with Vertical(classes="asking"):
            yield Static(
                f"Try letter {self._letter.id} on {self._letter.rail} again?\n\n{printable(self._letter.why)}",
                markup=False,
            )
        yield Footer()

    def action_answer(self, is_yes: bool) -> None:  # noqa: FBT001 - a key's argument
        """Close, with the answer."""
        self.dismiss(is_yes)


class Dropping(ModalScreen[str]):
    """The reason, which is all that will be left of the letter; empty: it stays."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Leave it")]

    def __init__(self, letter: Letter) -> None:
        super().__init__()
        self._letter = letter

    def compose(self) -> ComposeResult:
        with Vertical(classes="asking"):
            yield Static(f"Drop letter {self._letter.id} for good. Why?", markup=False)
            yield Input(placeholder="The reason, for who looks later", id="why")
        yield Footer()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter drops it, if there is a reason."""
        self.dismiss(event.value.strip())

    def action_leave(self) -> None:
        """The letter stays where it is."""
        self.dismiss("")
