"""Asking a running OMS through its gateway, as the operator."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

from oms.cli.running import RUNNING, gateway_url
from oms.cli.tokens import operator_token
from oms.client import Client, connect
from oms.config import Config

_T = TypeVar("_T")


def runs(config: Config) -> bool:
    """Return whether an OMS of this home says that it runs."""
    return (config.home / RUNNING).exists()


def ask_gateway(config: Config, ask: Callable[[Client], Awaitable[_T]]) -> _T:
    """Ask the gateway as the operator. Raises NoTokenError, and what the SDK raises."""
    url, token = gateway_url(config), operator_token(config, os.environ)

    async def asking() -> _T:
        async with connect(url, token=token, ca=config.gateway.certificate) as client:
            return await ask(client)

    return asyncio.run(asking())
