"""The tokens while the database is silent: nobody queues, and no revoked token opens for longer than it says."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from oms.errors import LogUnavailableError
from oms.gateway import picture
from oms.gateway.picture import Picture
from oms.gateway.tokens import LOOKS_MAX, Scope, Token, mint
from oms.runtime import SystemClock, Tasks
from oms.values import AccountId, StrategyId

FRESH_SECONDS, LOOK_SECONDS, QUIET_SECONDS = 0.5, 0.4, 0.25  # instead of one, five and a half


class Store:
    """Tokens behind a database that can be cut off: whoever asks then waits until `fail` or `answer`."""

    def __init__(self) -> None:
        self.kept: dict[str, Token] = {}
        self.looks = 0
        self.silent = False
        self.waiting: list[asyncio.Future[Sequence[Token]]] = []

    def create(self) -> str:
        token, _ = mint(strategy=StrategyId("maker"), accounts=[AccountId("main")], scopes=[Scope.READ])
        self.kept[token.token_id] = token
        return token.token_id

    async def valid(self) -> Sequence[Token]:
        self.looks += 1
        if not self.silent:
            return list(self.kept.values())
        asked: asyncio.Future[Sequence[Token]] = asyncio.get_running_loop().create_future()
        self.waiting.append(asked)
        return await asked

    def fail(self) -> None:
        waiting, self.waiting = self.waiting, []
        for asked in waiting:
            asked.set_exception(LogUnavailableError("timeout expired"))


class World:
    def __init__(self) -> None:
        self.store, self.clock, self.tasks = Store(), SystemClock(), Tasks()
        self.picture = Picture(self.store, self.clock, self.tasks)

    async def known(self, token_id: str) -> bool:
        return await self.picture.token(token_id) is not None

    async def took(self, token_id: str) -> float:
        """Ask for a token that is known; return how long that took."""
        started = self.clock.monotonic()
        assert await self.known(token_id)
        return self.clock.monotonic() - started

    async def fall_silent(self, token_id: str) -> None:
        """Let the picture grow old, and a look at the database find nobody there."""
        assert await self.known(token_id)
        await asyncio.sleep(FRESH_SECONDS)
        self.store.silent = True
        assert await self.took(token_id) > 0.9 * LOOK_SECONDS


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(picture, "FRESH_SECONDS", FRESH_SECONDS)
    monkeypatch.setattr(picture, "LOOK_SECONDS", LOOK_SECONDS)
    monkeypatch.setattr(picture, "QUIET_SECONDS", QUIET_SECONDS)
    world = World()
    yield world
    await world.tasks.close()
    assert not world.tasks.failed.done()


async def test_one_look_serves_everybody_who_waits(world: World) -> None:
    token = world.store.create()
    await world.fall_silent(token)
    world.store.fail()
    await asyncio.sleep(FRESH_SECONDS)
    looks = world.store.looks
    waits = await asyncio.gather(*(world.took(token) for _ in range(20)))
    assert max(waits) < 2 * QUIET_SECONDS
    assert world.store.looks == looks + 1


async def test_a_look_that_failed_counts_as_long_as_a_picture_from_when_it_began(world: World) -> None:
    token = world.store.create()
    await world.fall_silent(token)
    looks = world.store.looks
    world.store.fail()
    assert await world.took(token) < 0.1
    with pytest.raises(LogUnavailableError):
        await world.known("nobody")
    assert world.store.looks == looks
    await asyncio.sleep(FRESH_SECONDS)
    await world.took(token)
    assert world.store.looks == looks + 1


async def test_once_the_database_is_silent_nobody_waits_long(world: World) -> None:
    token = world.store.create()
    await world.fall_silent(token)
    for _ in range(8):
        assert await world.took(token) < QUIET_SECONDS + 0.2
        await asyncio.sleep(0.1)


async def test_a_token_that_is_revoked_after_a_silence_is_out_as_soon_as_ever(world: World) -> None:
    token = world.store.create()
    await world.fall_silent(token)
    world.store.silent = False  # what was asked before never hears
    del world.store.kept[token]
    revoked = world.clock.monotonic()
    while await world.known(token):  # noqa: ASYNC110 - who asks is what is tested
        await asyncio.sleep(0.02)
    assert world.clock.monotonic() - revoked < FRESH_SECONDS + 0.3
    world.store.fail()  # ... or hears of nothing
    assert not await world.known(token)


async def test_an_answer_that_comes_late_brings_no_revoked_token_back(world: World) -> None:
    token = world.store.create()
    await world.fall_silent(token)
    (late,) = world.store.waiting
    before = list(world.store.kept.values())
    world.store.silent = False
    del world.store.kept[token]
    await asyncio.sleep(FRESH_SECONDS)
    assert not await world.known(token)
    late.set_result(before)
    await asyncio.sleep(0.01)
    assert not await world.known(token)


async def test_an_answer_that_comes_late_is_better_than_none(world: World) -> None:
    token = world.store.create()
    await world.fall_silent(token)
    (late,) = world.store.waiting
    fresh = world.store.create()
    late.set_result(list(world.store.kept.values()))
    await asyncio.sleep(0.01)
    assert await world.took(fresh) < 0.1


async def test_looks_that_hang_do_not_pile_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    token = world.store.create()
    await world.fall_silent(token)
    monkeypatch.setattr(picture, "FRESH_SECONDS", 0.01)
    for _ in range(LOOKS_MAX + 3):
        await world.took(token)
        await asyncio.sleep(0.02)
    assert len(world.store.waiting) == LOOKS_MAX
    assert await world.took(token) < 0.1
    world.store.silent = False
    world.store.fail()
    await asyncio.sleep(0.02)
    del world.store.kept[token]
    assert not await world.known(token)


async def test_a_row_of_nonsense_lets_nobody_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    token = world.store.create()
    assert await world.known(token)
    await asyncio.sleep(FRESH_SECONDS)

    async def broken() -> Sequence[Token]:
        raise ValueError("'nonsense' is not a valid Scope")

    monkeypatch.setattr(world.store, "valid", broken)
    for _ in range(2):
        with pytest.raises(ValueError, match="nonsense"):
            await world.known(token)
