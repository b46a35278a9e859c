"""`trinario dead`: what an operator does with a message that could not be delivered."""

from tests.integration.trinario.conftest import Trinario
from tests.must import eventually

ALICE, BOB = "whatsapp:+393331112222", "messenger:bob.rossi"


async def _dead_letter(trinario: Trinario, text: str) -> int:
    """Alice writes while Messenger errs; the id of the letter that becomes of it."""
    await trinario.faults("messenger", server_error=1.0)
    await trinario.cli("send", "--as", ALICE, "--to", BOB, text)

    async def died() -> int:
        letters = await trinario.cli("dead", "list")
        assert [letter["preview"] for letter in letters] == [text]
        return int(letters[0]["id"])

    letter = await eventually(died)
    await trinario.faults("messenger")
    return letter


async def test_redrive_and_drop(trinario: Trinario) -> None:
    """A redriven message arrives once; a dropped one leaves its reason; doing either again changes nothing."""
    trinario.start(environ={"TRINARIO_BRIDGES__MESSENGER__DEADLINE_S": "1"})
    for handle, name in ((ALICE, "Alice"), (BOB, "Bob")):
        await trinario.cli("account", "register", handle, "--name", name)
    await trinario.cli("send", "--as", ALICE, "--to", BOB, "one")

    async def sees(*texts: str) -> None:
        assert [one["text"] for one in await trinario.cli("inbox", "--as", BOB)] == list(texts)

    await eventually(lambda: sees("one"))
    await _redriven(trinario)
    await eventually(lambda: sees("one", "two"))
    await _dropped(trinario)
    await sees("one", "two")
    settled = await trinario.cli("dead", "list", "--settled")
    assert [(one["outcome"], one.get("why", "")) for one in settled] == [("redriven", ""), ("dropped", "written again")]
    assert (await trinario.cli("status"))[0]["bridges"]["messenger"]["dead"] == 0


async def _redriven(trinario: Trinario) -> None:
    letter = await _dead_letter(trinario, "two")
    (shown,) = await trinario.cli("dead", "show", str(letter))
    assert shown["redrivable"] is True
    assert "given up after" in shown["why"]
    assert shown["content"]["content"]["body"] == "two"
    (status,) = await trinario.cli("status")
    assert status["bridges"]["messenger"]["dead"] == 1
    (done,) = await trinario.cli("dead", "redrive", str(letter))
    assert (done["outcome"], done["event"]) == ("queued", shown["event"])
    (again,) = await trinario.cli("dead", "redrive", str(letter))
    assert again["outcome"] == "already"

    async def posted() -> None:
        (trace,) = await trinario.cli("trace", shown["event"])
        assert {leg["rail"]: leg["status"] for leg in trace["legs"]}["messenger"] in {"posted", "delivered"}

    await eventually(posted)


async def _dropped(trinario: Trinario) -> None:
    letter = await _dead_letter(trinario, "three")
    assert (await trinario.refused("dead", "drop", str(letter), "--why", " ")).code == 2
    for _ in range(2):
        (done,) = await trinario.cli("dead", "drop", str(letter), "--why", "written again")
        assert (done["outcome"], done["why"]) == ("dropped", "written again")
    assert (await trinario.refused("dead", "show", str(letter))).code == 3
    assert (await trinario.refused("dead", "redrive", "9999")).code == 3
    assert await trinario.cli("dead", "list") == []


async def test_repair(trinario: Trinario) -> None:
    """What a recipient missed is found, said beforehand, given once, and then it is no loss any more."""
    trinario.start(environ={"TRINARIO_BRIDGES__MESSENGER__DEADLINE_S": "1"})
    for handle, name in ((ALICE, "Alice"), (BOB, "Bob")):
        await trinario.cli("account", "register", handle, "--name", name)
    await trinario.cli("send", "--as", ALICE, "--to", BOB, "one")
    letter = await _dead_letter(trinario, "two")

    async def foreseen() -> None:
        (would,) = await trinario.cli("repair", "--dry-run", "--of", BOB)
        assert (would["letter"], would["outcome"], would["recipients"]) == (letter, "would be tried", [BOB])

    await eventually(foreseen)
    assert [one["id"] for one in await trinario.cli("dead", "list")] == [letter]
    (done,) = await trinario.cli("repair")
    assert (done["letter"], done["outcome"]) == (letter, "queued")

    async def whole() -> None:
        assert [one["text"] for one in await trinario.cli("inbox", "--as", BOB)] == ["one", "two"]
        assert await trinario.cli("repair") == []
        assert [one for one in await trinario.cli("loss") if one["repairable"]] == []

    await eventually(whole)
