"""A ghost's person turns out to have an account here: the account takes over what was the ghost's."""

from typing import Any

from tests.integration.rails.test_federation import ghost_of


async def test_an_account_takes_over_its_ghosts_threads(house: Any) -> None:
    """Alice wrote with Bob's ghost; then Bob's own account is known: one thread, and old handles lead there."""
    await house.partner()
    alice, bob = await house.person("alice"), await house.person("bob")
    ghost = await ghost_of(house, "p-bob", "elsewhere:@bob", "other:+391")
    sent = [await alice.send("elsewhere:@bob", "one")]
    status, _ = await house.graph("POST", f"{ghost['id']}/messages", json=house.text_body(alice.id, "two"))
    assert status == 200
    sent.append(await alice.send(bob.handle, "three"))
    for _ in range(2):  # the second time there is nothing left to do
        status, answer = await house.graph("POST", f"federation/ghosts/{ghost['id']}/adopt", json={"account": bob.id})
        assert (status, answer) == (200, {"success": True})
    for handle in (bob.handle, "elsewhere:@bob", "other:+391"):
        thread = await alice.inbox(**{"with": handle})
        assert [message["text"] for message in thread] == ["one", "two", "three"]
        assert [message["to"] for message in thread] == [bob.handle, alice.handle, bob.handle]
    assert sent[0]["native_id"] == (await bob.inbox())[0]["native_id"]
    status, answer = await bob.call("POST", "read", json={"with": alice.handle})
    assert (status, answer) == (200, {"read": 2})
    assert (await house.graph("GET", f"federation/accounts/{ghost['id']}"))[0] == 404


async def test_only_ghosts_are_adopted(house: Any) -> None:
    """Alice's account is nobody's to take over."""
    await house.partner()
    alice, bob = await house.person("alice"), await house.person("bob")
    status, _ = await house.graph("POST", f"federation/ghosts/{alice.id}/adopt", json={"account": bob.id})
    assert status == 400


async def test_what_two_accounts_of_one_person_wrote_to_each_other_stays(house: Any) -> None:
    """Bob's account wrote to Bob's ghost before anybody knew; nothing of it goes."""
    await house.partner()
    bob = await house.person("bob")
    ghost = await ghost_of(house, "p-bob", "elsewhere:@bob")
    await bob.send("elsewhere:@bob", "who are you?")
    status, _ = await house.graph("POST", f"federation/ghosts/{ghost['id']}/adopt", json={"account": bob.id})
    assert status == 200
    assert [message["text"] for message in await bob.inbox()] == ["who are you?"]
