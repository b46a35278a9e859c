"""Each complaint about other bridges that is ours to survive has a test that is named after it: `pytest -m thread`."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]

CONTENT = {
    "edits": ["matterbridge#342", "matterbridge#1991", "matterbridge#588", "matterbridge#1396"],
    "edits that are refused": ["mautrix/whatsapp#780", "mautrix/go#404", "mautrix/meta#162"],
    "edits that are not shown": ["mautrix/whatsapp#913", "mautrix/whatsapp#919"],
    "rails without edits": [
        *("mautrix/whatsapp#319", "mautrix/whatsapp#388", "mautrix/whatsapp#433", "mautrix/whatsapp#528"),
        *("mautrix/signal#522", "mautrix/signal#134"),
    ],
    "unsends": ["mautrix/whatsapp#682", "mautrix/whatsapp#298", "mautrix/whatsapp#934"],
    "who keeps what others take back": [
        *("mautrix/whatsapp#356", "mautrix/whatsapp#550", "mautrix/whatsapp#730", "mautrix/whatsapp#237"),
        "mautrix/telegram#846",
    ],
    "reactions": [
        *("mautrix/signal#104", "mautrix/signal#225", "mautrix/signal#431", "mautrix/signal#31", "mautrix/signal#212"),
    ],
    "rails without reactions": [
        *("mautrix/signal#131", "mautrix/go#510", "matterbridge#640", "matterbridge#1276", "matterbridge#189"),
    ],
    "parts": ["mautrix/signal#330"],
    "answers": [
        *("mautrix/whatsapp#861", "mautrix/meta#24", "mautrix/meta#62", "mautrix/signal#641", "matterbridge#1806"),
        "mautrix/facebook#173",
    ],
    "media": [
        *("mautrix/whatsapp#144", "mautrix/whatsapp#231", "mautrix/whatsapp#374", "mautrix/whatsapp#796"),
        *("mautrix/whatsapp#712", "mautrix/whatsapp#763", "mautrix/whatsapp#866"),
        *("mautrix/meta#105", "mautrix/meta#147", "mautrix/meta#142"),
    ],
    "text": [
        *("matterbridge#918", "matterbridge#1770", "matterbridge#1053", "matterbridge#1022"),
        *("teleirc#143", "chatwoot#10040", "OCA/social#1909"),
    ],
}

GROUPS = {
    "one message seen by several": ["mautrix/whatsapp#893", "mautrix/signal#216"],
    "who has left has left": [
        *("mautrix/whatsapp#149", "mautrix/signal#11", "mautrix/telegram#779", "matrix-puppet-imessage#15"),
        *("mautrix/meta#65", "mautrix/whatsapp#389"),
    ],
    "what is left to them": ["mautrix/whatsapp#717", "mautrix/signal#620"],
    "many members": ["heisenbridge#112"],
}

VANISHING = {
    "texts and media": ["mautrix/signal#350", "mautrix/whatsapp#520", "mautrix/whatsapp#289"],
    "timers": ["mautrix/signal#351"],
}

READ_STATE = {
    "read once": [
        *("mautrix/whatsapp#16", "mautrix/whatsapp#171", "mautrix/whatsapp#409", "mautrix/whatsapp#287"),
        *("mautrix/facebook#142", "mautrix/meta#32", "mautrix/meta#128", "spectrum2#136"),
    ],
    "marked as unread": ["mautrix/whatsapp#906"],
    "what is nothing to read": ["mautrix/signal#534", "mautrix/whatsapp#934"],
    "privacy": ["SchildiChat#255"],
}

BUS = {
    "loops": ["mautrix/whatsapp#132", "mautrix/whatsapp#139", "mautrix/telegram#918", "matrix-spec#31"],
    "echoes": ["matterbridge#49", "matterbridge#219", "matterbridge#1039", "matterbridge#950"],
    "repeated after a reconnect": ["matterbridge#1059", "matterbridge#2144", "matterbridge#1564"],
    "webhooks again": ["matterbridge#1866", "chatwoot#11383", "chatwoot#6046", "chatwoot#11901", "chatwoot#9314"],
    "a second instance": ["mx-puppet-discord#121", "mx-puppet-discord#103"],
    "tried again": ["massalabs/gossip#288", "divinevideo/divine-mobile#7631", "divinevideo/divine-mobile#6522"],
    "order": [
        *("waha#1945", "chatwoot#12661", "chatwoot#3608", "chatwoot#9524", "chatwoot#14739", "mautrix/whatsapp#1"),
        *("matrix-appservice-irc#145", "matrix-appservice-irc#235", "matrix-appservice-irc#568"),
        *("matrix-appservice-irc#628", "matrix-appservice-irc#1688", "matrix-appservice-irc#1673"),
        *("mautrix/telegram#963", "mautrix/whatsapp#57", "mautrix/imessage#38"),
    ],
    "lost": [
        *("mautrix/whatsapp#247", "mautrix/go#339", "mautrix/whatsapp#342", "mautrix/whatsapp#113"),
        *("mautrix/whatsapp#124", "mautrix/whatsapp#324", "mautrix/facebook#45", "mautrix/facebook#141"),
        *("mautrix/facebook#43", "mautrix/facebook#260", "matterbridge#325", "matterbridge#1392"),
        *("matterbridge#1201", "matterbridge#1453", "matterbridge#1238"),
    ],
}


def marked() -> dict[str, list[str]]:
    """Test -> the threads that it is about."""
    found: dict[str, list[str]] = {}
    for file in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (threads := _threads(node)):
                found[node.name] = threads
    return found


def _threads(test: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    calls = [one for one in test.decorator_list if isinstance(one, ast.Call)]
    marks = [one for one in calls if ast.unparse(one.func) == "pytest.mark.thread"]
    return [str(arg.value) for mark in marks for arg in mark.args if isinstance(arg, ast.Constant)]


def test_every_thread_has_a_test() -> None:
    """By its name, or by a mark on a test that is named after another thread about the same thing."""
    tested = {thread for threads in marked().values() for thread in threads}
    assert [
        name
        for names in (*BUS.values(), *CONTENT.values(), *GROUPS.values(), *VANISHING.values(), *READ_STATE.values())
        for name in names
        if name not in tested
    ] == []


def test_marked_tests_are_named_after_a_thread() -> None:
    """After one of those in their mark."""
    for test, threads in marked().items():
        assert any(re.sub("[-/#]", "_", thread).lower() in test for thread in threads), test
