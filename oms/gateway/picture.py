"""Which tokens are valid, from looks at the store; nobody queues for one while it does not answer."""

import asyncio
from collections.abc import Mapping
from typing import Final

from oms.errors import LogUnavailableError
from oms.gateway.tokens import LOOKS_MAX, Token, TokenStore
from oms.ports import Clock, Spawn

FRESH_SECONDS: Final = 1.0  # how long a revoked token may still open
UNKNOWN_SECONDS: Final = 0.1  # how often an id that nobody knows may make us look again
LOOK_SECONDS: Final = 5.0  # that a look is waited for: a connection takes no longer, or fails
QUIET_SECONDS: Final = 0.5  # likewise, once a look has told nothing: an answer may come, and is not to be expected


class _Look:
    """One look at the store. `trouble`: why it told nothing, None if it has told or not ended yet."""

    def __init__(self, begun: float) -> None:
        self.begun = begun  # by the monotonic clock
        self.ended = asyncio.Event()
        self.trouble: Exception | None = None


class Picture:
    """The valid tokens, as they were at most a second ago, or as they were when last anybody could read them.

    Whoever finds the picture older than a second shares the look that began within the last one, or begins a look. A
    look that told nothing counts as long: from its beginning, since the database may be back, and a token revoked, by
    the time it fails. So looks overlap while the database is silent, and once it answers, within half a second, a
    revoked token is out within a second, as ever. Nobody waits for a look longer than `LOOK_SECONDS`, or in a row.
    """

    def __init__(self, store: TokenStore, clock: Clock, spawn: Spawn) -> None:
        self._store = store
        self._clock = clock
        self._spawn = spawn
        self._tokens: Mapping[str, Token] = {}
        self._looked = float("-inf")  # when the picture was there
        self._told = float("-inf")  # when the look began that it comes from
        self._failed = float("-inf")  # when the latest look began that told nothing
        self._latest = _Look(float("-inf"))
        self._running = 0

    async def token(self, token_id: str) -> Token | None:
        """Return the token of that id if it is valid.

        Raises:
            LogUnavailableError: the tokens cannot be read, and this one is not known from before.
        """
        came = self._clock.monotonic()
        if came - self._looked < FRESH_SECONDS and token_id in self._tokens:
            return self._tokens[token_id]
        look = self._look(since=came - FRESH_SECONDS)
        trouble = await self._trouble(look)
        if trouble is None and token_id not in self._tokens and look.begun < came:
            # Made a moment ago, perhaps. Guesses wait here, all for the one look.
            await asyncio.sleep(self._looked + UNKNOWN_SECONDS - self._clock.monotonic())
            trouble = await self._trouble(self._look(since=came))
        if trouble is not None and token_id not in self._tokens:
            raise trouble  # while the database is down a known token stays known: nothing can be written meanwhile
        return self._tokens.get(token_id)

    def _look(self, *, since: float) -> _Look:
        """Return the latest look, or a new one if it began before `since`. If too many hang, the latest has to do."""
        if self._latest.begun < since and self._running < LOOKS_MAX:
            self._latest = _Look(self._clock.monotonic())
            self._running += 1
            self._spawn(self._read(self._latest), name="read the tokens")
        return self._latest

    async def _read(self, look: _Look) -> None:
        try:
            tokens = await self._store.valid()
        except Exception as error:  # noqa: BLE001 - whoever waits raises it: a row of nonsense must not end the whole OMS
            look.trouble = error
            self._failed = max(self._failed, look.begun)
        else:
            if look.begun >= self._told:  # an answer that was overtaken may know tokens that are revoked by now
                self._tokens = {token.token_id: token for token in tokens}
                self._looked, self._told = self._clock.monotonic(), look.begun
        finally:
            self._running -= 1
            look.ended.set()

    async def _trouble(self, look: _Look) -> LogUnavailableError | None:
        """Wait until `look` ends, within bounds; return why it told nothing, if so."""
        silent = self._failed > self._told
        left = look.begun + (QUIET_SECONDS if silent else LOOK_SECONDS) - self._clock.monotonic()
        try:
            async with asyncio.timeout(left):
                await look.ended.wait()
        except TimeoutError:
            self._failed = max(self._failed, look.begun)
            trouble = LogUnavailableError("the tokens cannot be read: the database does not answer")
            trouble.outcome = "none"  # nothing was begun for somebody whom nobody knows
            return trouble
        if look.trouble is None or isinstance(look.trouble, LogUnavailableError):
            return look.trouble
        raise look.trouble
