"""How `top` shows what its `Watch` sees: three tables, a way down to one message's trace, and a picture to keep.

A Textual application. It asks again every `every_s`, except while it is paused; what cannot be asked is said in the
line at the top, and the last sight stays.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Static

from schemas.errors import TrinarioError
from trinario.output import clock, printable
from trinario.top.asking import Dropping, Redriving
from trinario.top.figures import Leg
from trinario.top.sight import Letter, Row, Sight, Watch
from trinario.trace import drawing

_GOOD = {"connected", "ready", "running", "following"}
_COLUMNS = {
    "parts": ("part", "state", "pending", "lag", "a second", "p99", "dead", "what to do"),
    "legs": ("took", "status", "from", "to", "message"),
    "letters": ("id", "when", "stage", "rail", "message", "why"),
}


class TraceScreen(ModalScreen[None]):
    """One message's way, as `trinario trace` draws it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "dismiss", "Back")]

    def __init__(self, event_id: str, watch: Watch) -> None:
        super().__init__()
        self._event_id, self._watch = event_id, watch

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="trace"):
            yield Static(f"Looking for {self._event_id} ...", id="way", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        self.run_worker(self._show(), exclusive=True)

    async def _show(self) -> None:
        try:
            found = await self._watch.trace(self._event_id)
        except TrinarioError as error:
            self._update(Text(printable(str(error))))
            return
        self._update(drawing(found))

    def _update(self, shown: RenderableType) -> None:
        self.query_one("#way", Static).update(shown)


class Top(App[None]):
    """The screen."""

    TITLE = "trinario top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #headline { height: 1; background: $primary; color: $text; padding: 0 1; }
    .title { height: 1; color: $text-muted; padding: 0 1; margin-top: 1; }
    #parts { height: auto; max-height: 60%; }
    #legs { height: 1fr; min-height: 4; }
    #letters { height: 1fr; min-height: 3; }
    TraceScreen { align: center middle; }
    Redriving, Dropping { align: center middle; }
    .asking { width: 70%; height: auto; border: round $warning; background: $surface; padding: 1 2; }
    #trace { width: 90%; height: 80%; border: round $primary; background: $surface; padding: 1 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("tab", "focus_next", "Next table"),
        Binding("p", "pause", "Pause"),
        Binding("r", "redrive", "Redrive"),
        Binding("x", "drop", "Drop"),
        Binding("s", "screenshot", "Save a picture"),
    ]

    def __init__(self, watch: Watch, *, every_s: float) -> None:
        super().__init__()
        self._watch, self._every_s = watch, every_s
        self._is_paused = False
        self._headline = ""
        self._sight: Sight | None = None

    def compose(self) -> ComposeResult:
        yield Static("Looking ...", id="headline", markup=False)
        yield DataTable(id="parts", cursor_type="row", zebra_stripes=True)
        yield Static("Slowest of the last legs (Enter: its trace)", classes="title")
        yield DataTable(id="legs", cursor_type="row")
        yield Static("Dead letters (R: try again, X: drop)", classes="title", markup=False)
        yield DataTable(id="letters", cursor_type="row")
        yield Footer()

    def on_mount(self) -> None:
        for name, columns in _COLUMNS.items():
            self._table(name).add_columns(*columns)
        self._table("legs").focus()
        self.run_worker(self._follow(), group="look")

    def _table(self, name: str) -> DataTable[Text]:
        return self.screen_stack[0].query_one(f"#{name}", DataTable)

    async def _follow(self) -> None:
        """Look again and again, for as long as the screen is there."""
        while True:
            if not self._is_paused:
                await self._look()
            await asyncio.sleep(self._every_s)

    async def _look(self) -> None:
        try:
            self.show(await self._watch.look())
        except TrinarioError as error:
            self._say(printable(str(error)))

    def show(self, sight: Sight) -> None:
        """Put a sight on the screen; what is selected stays selected."""
        self._sight = sight
        self._fill("parts", [(row.name, _part_cells(row)) for row in sight.rows])
        self._fill("legs", [(f"{leg.event_id} {leg.rail}", _leg_cells(leg)) for leg in sight.legs])
        self._fill("letters", [(str(letter.id), _letter_cells(letter)) for letter in sight.letters])
        wrong = [row.name for row in sight.rows if row.action] + (["dead letters"] if sight.letters else [])
        self._say(f"{clock(sight.at_ms)}   " + (f"look at: {', '.join(wrong)}" if wrong else "all well"))

    def _fill(self, name: str, rows: Sequence[tuple[str, Sequence[Text]]]) -> None:
        table = self._table(name)
        selected = table.cursor_row
        table.clear()
        for key, cells in rows:
            table.add_row(*cells, key=key)
        if rows:
            table.move_cursor(row=min(selected, len(rows) - 1), animate=False)

    def _say(self, words: str) -> None:
        self._headline = words
        paused = "PAUSED   " if self._is_paused else ""
        self.screen_stack[0].query_one("#headline", Static).update(paused + words)

    def action_pause(self) -> None:
        """Stop looking, so that nothing moves; or go on."""
        self._is_paused = not self._is_paused
        self._say(self._headline)

    def action_redrive(self) -> None:
        """Ask whether the marked dead letter is to be tried again."""
        letter = self._marked()
        if letter is not None:
            self.push_screen(Redriving(letter), lambda is_yes: self._redrive(letter) if is_yes else None)

    def action_drop(self) -> None:
        """Ask why the marked dead letter is to be dropped."""
        letter = self._marked()
        if letter is not None:
            self.push_screen(Dropping(letter), lambda why: self._drop(letter, why) if why else None)

    def _redrive(self, letter: Letter) -> None:
        self._do(self._watch.redrive(letter.id))

    def _drop(self, letter: Letter, why: str) -> None:
        self._do(self._watch.drop(letter.id, why))

    def _marked(self) -> Letter | None:
        letters = self._sight.letters if self._sight is not None else []
        row = self._table("letters").cursor_row
        if not 0 <= row < len(letters):
            self.notify("There is no dead letter.")
            return None
        return letters[row]

    def _do(self, doing: Coroutine[Any, Any, str]) -> None:
        """Do it, say what came of it, and look again."""

        async def done() -> None:
            try:
                self.notify(printable(await doing), markup=False)
            except TrinarioError as error:
                self.notify(printable(str(error)), severity="error", markup=False)
            await self._look()

        self.run_worker(done(), group="doing")

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter on a leg or a letter: the way of its message."""
        found = self._event_of(event.data_table.id or "", event.row_key.value or "")
        if found:
            self.push_screen(TraceScreen(found, self._watch))
        elif event.data_table.id == "letters":
            self.notify("The letter is about no message. `trinario dead show` has what it holds.")

    def _event_of(self, table: str, key: str) -> str:
        if table == "legs":
            return key.partition(" ")[0]
        letters = self._sight.letters if self._sight is not None else []
        return next((letter.event_id for letter in letters if table == "letters" and str(letter.id) == key), "")


def _part_cells(row: Row) -> list[Text]:
    colour = "green" if row.state in _GOOD and not row.action else "red" if row.state not in _GOOD else "yellow"
    return [
        Text(row.name, style="bold"),
        Text(row.state, style=colour),
        _number(row.pending),
        _milliseconds(row.lag_ms),
        Text("" if row.per_s is None else f"{row.per_s:.1f}", justify="right"),
        _milliseconds(row.p99_ms),
        Text("" if row.dead is None else str(row.dead), style="red" if row.dead else "", justify="right"),
        Text(printable(row.action)),
    ]


def _leg_cells(leg: Leg) -> list[Text]:
    styles = {"failed": "red", "waiting": "yellow"}
    return [
        _milliseconds(leg.took_ms),
        Text(leg.status, style=styles.get(leg.status, "")),
        Text(leg.source),
        Text(leg.rail),
        Text(leg.event_id),
    ]


def _letter_cells(letter: Letter) -> list[Text]:
    return [
        Text(str(letter.id), justify="right"),
        Text(clock(letter.at_ms)),
        Text(letter.stage),
        Text(letter.rail),
        Text(printable(letter.event_id)),
        Text(printable(letter.why)),
    ]


def _number(value: int | None) -> Text:
    return Text("" if value is None else str(value), justify="right")


def _milliseconds(value: float | None) -> Text:
    if value is None:
        return Text("")
    return Text(f"{value:.0f} ms" if value < 10_000 else f"{value / 1000:.0f} s", justify="right")
