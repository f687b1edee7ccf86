"""A client of the simulator over real loopback, which signs by itself."""

import asyncio
import hmac
import json
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any, Self

import aiohttp

from adapters.simulator.server import Urls, serve
from adapters.simulator.simulator import Simulator


class SystemClock:
    def now_ns(self) -> int:
        return time.time_ns()  # noqa: TID251 -- a real server runs by the real clock

    def monotonic(self) -> float:
        return time.monotonic()  # noqa: TID251 -- as above


def spawn(work: Coroutine[object, object, None], *, name: str) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(work, name=name)


class Desk:
    """A client at a running simulator, of its spot host."""

    def __init__(self, urls: Urls, http: aiohttp.ClientSession) -> None:
        self.urls = urls
        self.http = http
        self.login = urls.accounts[0]

    @classmethod
    @asynccontextmanager
    async def at(cls, simulator: Simulator) -> AsyncIterator[Self]:
        async with (
            serve(simulator, clock=SystemClock(), spawn=spawn) as urls,
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http,
        ):
            yield cls(urls, http)

    @property
    def host(self) -> str:
        return self.urls.spot_url

    def sign(self, body: bytes) -> tuple[str, str]:
        at = str(time.time_ns() // 1_000_000)  # noqa: TID251 -- as above
        message = f"{at}#{self.login.memo}#".encode() + body
        return at, hmac.new(self.login.secret.encode(), message, sha256).hexdigest()

    async def post(self, path: str, **fields: object) -> Any:
        body = json.dumps(fields).encode()
        at, sign = self.sign(body)
        headers = {"X-BM-KEY": self.login.key, "X-BM-TIMESTAMP": at, "X-BM-SIGN": sign}
        headers["Content-Type"] = "application/json"
        async with self.http.post(self.host + path, data=body, headers=headers) as answer:
            return await answer.json()

    async def sim(self, path: str, **fields: object) -> tuple[int, Any]:
        url = f"{self.urls.sim_url}/sim/{path}"
        async with self.http.post(url, json=fields) if fields else self.http.get(url) as answer:
            return answer.status, await answer.json()

    async def truth(self, account: str = "main") -> Any:
        return (await self.sim("truth"))[1]["accounts"][account]
