"""check: real rails are asked what they show; what was changed behind everybody's back is found."""

import sqlite3

from tests.integration.trinario.conftest import Trinario
from tests.must import eventually


async def test_all_copies_agree_until_somebody_tampers(trinario: Trinario) -> None:
    """The demo's messages agree on all rails; one changed in a rail's own file is a difference without a reason."""
    trinario.start("--demo")

    async def agree() -> None:
        (found,) = await trinario.cli("check")
        assert (found["quiet"], found["differences"], found["unexplained"]) == (True, [], 0)
        assert found["checked"] >= 2

    await eventually(agree)
    (file,) = (trinario.data / "rails" / "instagram").glob("*.sqlite3")
    with sqlite3.connect(file) as connection:
        (native_id,) = connection.execute("SELECT native_id FROM messages ORDER BY arrival LIMIT 1").fetchone()
        connection.execute("UPDATE messages SET text = 'Something else.' WHERE native_id = ?", (native_id,))
    connection.close()
    failed = await trinario.refused("check")
    assert failed.code == 1
    assert '"what": "text"' in failed.said
    (found,) = await trinario.cli("trace", native_id)
    assert found["message_id"] in failed.said
    assert trinario.stop() == 0


async def test_the_ledgers_commands(trinario: Trinario) -> None:
    """search, why, loss, rebuild and route diff, over a running town; trace also without a ledger, saying so."""
    trinario.start("--demo")
    alice, bob = "whatsapp:+393331112222", "messenger:bob.rossi"
    await trinario.cli("person", "prefer", bob, "--never", "instagram")
    (sent,) = await trinario.cli("send", "--as", alice, "--to", bob, "Gnocchi on Thursday?")

    async def posted() -> None:
        (found,) = await trinario.cli("why", sent["native_id"], bob)
        assert found["got"] is True

    await eventually(posted)
    (why,) = await trinario.cli("why", sent["native_id"], "instagram:@bob")
    assert (why["got"], "prefers not to be reached on instagram" in why["answer"]) == (False, True)
    (hit,) = await trinario.cli("search", "gnocchi")
    assert hit["message_id"] == why["message_id"]
    assert [one["what"] for one in await trinario.cli("loss", "--of", "instagram:@bob")] == ["left out"]
    (rebuilt,) = await trinario.cli("ledger", "rebuild")
    assert rebuilt["messages"] >= 3
    policy = trinario.data.parent / "quiet.toml"
    policy.write_text('[people."messenger:bob.rossi"]\nnever = []\n')
    (diff,) = await trinario.cli("route", "diff", "--policy", str(policy))
    changed = {one["message_id"]: one["after"]["legs"] for one in diff["changes"]}
    assert changed == {why["message_id"]: ["instagram", "messenger"]}
    assert (await trinario.refused("trace", "nobody-knows-this")).code == 3
    assert trinario.stop() == 0
