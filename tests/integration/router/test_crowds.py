"""Many newcomers at once: people are asked for while the directory changes, and the answers must not go stale."""

import asyncio

from router.directory import Directory
from router.people import People
from schemas.handles import Handle, make
from schemas.people import newcomer
from tests.integration.conftest import Connect


async def test_lanes_that_ask_while_people_arrive_get_the_truth_and_an_end(connect: Connect) -> None:
    """Eight lanes ask for everybody, again and again, while the writer introduces them; no lane waits for ever."""
    conn = await connect("admin")
    people = People(conn)
    await people.start()
    directory = Directory(conn, on_changed=people.drop)
    handles = [make("instagram", f"@guest{number}") for number in range(80)]
    persons = [newcomer(handle, "Guest") for handle in handles]

    async def introduce() -> None:
        for sequence, person in enumerate(persons, start=1):
            await directory.apply([(sequence, [person])], upto=sequence)

    async def ask(handle: Handle) -> None:
        person = newcomer(handle, "Guest").id
        while True:
            await people.prefetch([handle, person])
            if people.person(person) is not None and people.whose(handle) is not None:
                return
            await asyncio.sleep(0)

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(introduce())
        for lane in range(8):
            tasks.create_task(in_turn(ask, handles[lane::8]))
    for handle, person in zip(handles, persons, strict=True):
        await people.prefetch([handle])
        found = people.whose(handle)
        assert found is not None
        assert found.id == person.id
    await people.close()


async def in_turn(ask, handles: list[Handle]) -> None:  # noqa: ANN001 - the coroutine function above
    """One lane: one after another."""
    for handle in handles:
        await ask(handle)


async def test_nobody_is_remembered_only_for_the_batch_that_asked(connect: Connect) -> None:
    """Who was unknown to one batch is looked for again by the next, even if no word of the change has come."""
    conn = await connect("admin")
    people = People(conn)
    carla = newcomer(make("instagram", "@carla"), "Carla")
    await people.prefetch([carla.id])
    assert people.person(carla.id) is None
    await Directory(conn, on_changed=lambda _: None).apply([(1, [carla])], upto=1)
    await people.prefetch([carla.id])
    assert people.person(carla.id) is not None
