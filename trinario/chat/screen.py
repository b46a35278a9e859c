"""How `chat` looks and which key does what. A Textual application over a `Desk`.

The line at the bottom always says what Enter will do with it: send, answer, edit, react, write to somebody new, or send
a file. Escape goes back to plain sending.
"""

from collections.abc import Coroutine
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from schemas.errors import TrinarioError
from trinario.chat.desk import Desk, ticks
from trinario.output import clock, printable
from trinario.shown import said

_QUOTE_MOST = 60
_HINTS = {
    "write": "Write, and Enter sends",
    "answer": "Your answer",
    "edit": "How it should say",
    "react": "An emoji; nothing takes yours back",
    "whom": "Whom to write to: a handle on any rail, then a space and the text",
    "file": "Path of the file to send",
}


class Messages(OptionList):
    """The open thread; its keys act on the message that is marked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "app.about('answer')", "Answer"),
        Binding("e", "app.about('edit')", "Edit"),
        Binding("d", "app.unsend", "Take back"),
        Binding("plus", "app.about('react')", "React", key_display="+"),
    ]


class Chat(App[None]):
    """The screen."""

    TITLE = "trinario chat"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #headline { height: 1; background: $primary; color: $text; padding: 0 1; }
    #threads { width: 34; height: 1fr; border: none; background: $panel; }
    #messages { height: 1fr; border: none; }
    #writing { height: 1; color: $text-muted; padding: 0 1; }
    #line { border: tall $primary; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+n", "ask('whom')", "New"),
        Binding("ctrl+o", "ask('file')", "File"),
        Binding("escape", "ask('write')", "Back", show=False),
        Binding("ctrl+q", "quit", "Quit"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._mode, self._target = "write", ""

    def compose(self) -> ComposeResult:
        yield Static(f"{printable(self._desk.handle)}", id="headline", markup=False)
        with Horizontal():
            yield OptionList(id="threads")
            with Vertical():
                yield Messages(id="messages")
                yield Static("", id="writing", markup=False)
                yield Input(id="line")
        yield Footer()

    def on_mount(self) -> None:
        self.action_ask("write")
        self._show()
        self.run_worker(self._follow(), group="news")
        if self._desk.threads:
            self._do(self._desk.enter(self._desk.threads[0]["thread"]))

    async def _follow(self) -> None:
        try:
            async for is_changed in self._desk.news(say=self._say):
                if is_changed:
                    await self._tried(self._desk.load())
                self._show()
        except TrinarioError as error:  # the session is over: nothing more will come
            self._say(printable(str(error)))

    def _say(self, words: str) -> None:
        self.query_one("#headline", Static).update(f"{printable(self._desk.handle)}   {words}")

    # --- what is shown -----------------------------------------------------------------------------------------------

    def _show(self) -> None:
        self._fill("threads", [Option(_thread(one), id=one["thread"]) for one in self._desk.threads], self._desk.open)
        lines = self.query_one("#messages", Messages)
        at_end = lines.highlighted is None or lines.highlighted >= lines.option_count - 1
        marked = None if at_end else lines.get_option_at_index(lines.highlighted or 0).id
        options = [Option(self._message(one), id=one["native_id"]) for one in self._desk.messages]
        self._fill("messages", options, marked or (options[-1].id if options else None))
        writing = self._desk.writing
        self.query_one("#writing", Static).update(f"{printable(writing)} is writing ..." if writing else "")

    def _fill(self, name: str, options: list[Option], marked: str | None) -> None:
        found = self.query_one(f"#{name}", OptionList)
        with self.prevent(OptionList.OptionHighlighted):
            found.clear_options()
            found.add_options(options)
            ids = [option.id for option in options]
            found.highlighted = ids.index(marked) if marked in ids else None

    def _message(self, message: dict[str, Any]) -> Text:
        style = "bold cyan" if message["direction"] == "in" else "bold green"
        return Text.assemble(
            (self._quote(message["reply_to"]), "dim"),
            (f"{clock(message['sent_at_ms'])[11:16]} ", "dim"),
            (f"{printable(self._desk.called(message['from']))}  ", style),
            printable(self._desk.words(message)),
            (printable(ticks(message)), "dim"),
        )

    def _quote(self, native_id: str | None) -> str:
        """What a message answers, on a line before it."""
        if native_id is None:
            return ""
        quoted = self._desk.message(native_id)
        words = "an earlier message" if quoted is None else printable(said({**quoted, "reactions": {}}))
        return f"      > {words if len(words) <= _QUOTE_MOST else words[:_QUOTE_MOST] + '...'}\n"

    # --- what is done ------------------------------------------------------------------------------------------------

    def _do(self, doing: Coroutine[Any, Any, None]) -> None:
        async def done() -> None:
            await self._tried(doing)
            self._show()

        self.run_worker(done(), group="doing")

    async def _tried(self, doing: Coroutine[Any, Any, None]) -> None:
        try:
            await doing
        except TrinarioError as error:
            self.notify(printable(str(error)), severity="error", timeout=15, markup=False)

    def action_ask(self, mode: str, target: str = "") -> None:
        """What the line at the bottom is for from now on."""
        self._mode, self._target = mode, target
        field = self.query_one("#line", Input)
        field.placeholder = _HINTS[mode]
        before = self._desk.message(target) if mode == "edit" else None
        field.value = before["text"] if before is not None else ""
        field.focus()

    def action_about(self, mode: str) -> None:
        """Answer, edit or react to the message that is marked."""
        marked = self._marked()
        if marked is not None:
            self.action_ask(mode, marked)

    def action_unsend(self) -> None:
        """Take the marked message back."""
        marked = self._marked()
        if marked is not None:
            self._do(self._desk.unsend(marked))

    def _marked(self) -> str | None:
        option = self.query_one("#messages", Messages).highlighted_option
        return None if option is None else option.id

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter on a thread opens it."""
        if event.option_list.id == "threads" and event.option_id is not None:
            self._do(self._desk.enter(event.option_id))
            self.action_ask("write")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Others see that somebody is writing."""
        if event.value and self._mode in ("write", "answer"):
            self.run_worker(self._tried(self._desk.typed()), group="typing")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter: do what the line is for."""
        doing = self._meant(event.value.strip())
        if doing is not None:
            self.action_ask("write")
            self._do(doing)

    def _meant(self, text: str) -> Coroutine[Any, Any, None] | None:
        """What the line says; None when there is nothing to do yet."""
        desk, target = self._desk, self._target
        match self._mode:
            case "react":
                doing = desk.react(target, text)
            case "whom" if " " in text:
                whom, _, words = text.partition(" ")
                doing = desk.write_to(whom, words.strip())
            case "whom":
                doing = self._no("A handle, a space, and what to say: instagram:@bob Ciao!")
            case _ if desk.open is None:
                doing = self._no("No thread is open. Ctrl-N writes to somebody new.")
            case _ if not text:
                return None
            case "edit":
                doing = desk.edit(target, text)
            case "file":
                doing = desk.show_file(Path(text).expanduser())
            case _:
                doing = desk.write(text, reply_to=target or None)
        return doing

    async def _no(self, words: str) -> None:
        self.notify(words, severity="warning", markup=False)


def _thread(thread: dict[str, Any]) -> Text:
    unread = f"  ({thread['unread']})" if thread["unread"] else ""
    return Text(printable(thread["name"]) + unread, style="bold" if unread else "")
