"""Asking the OMS of this home through their gateways, as the operator: the one that leads an account, or each."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from oms.cli.presence import leaders
from oms.cli.running import configured_url
from oms.cli.tokens import operator_token
from oms.client import Client, connect
from oms.config import Config
from oms.errors import OmsError, UnknownAccountError

ANSWERED_SECONDS: Final = 10.0  # what one attempt may take
LOOKED_SECONDS: Final = 120.0  # where the venue is asked, several times and at the pace that it allows

_T = TypeVar("_T")


class PartlyDoneError(OmsError):
    """Of several OMS that were asked, some have done it and some may not have."""

    code = "partly_done"
    outcome = "unknown"
    next_step = "see to those that did not, and ask again with --account"


def runs(config: Config) -> bool:
    """Return whether an OMS of this home runs."""
    return bool(leaders(config.home))


def ask_gateway(
    config: Config,
    ask: Callable[[Client], Awaitable[_T]],
    *,
    account: str | None = None,
    seconds: float = ANSWERED_SECONDS,
) -> _T:
    """Ask the OMS that leads the account, or the only one there is.

    Raises:
        UnknownAccountError: none leads it; or several run, and none is named.
        NoTokenError, and what the SDK raises.
    """
    asked = _gateways(config, account)
    if len(asked) > 1:
        here = "; ".join(f"{url} leads {names}" for url, names in asked.items())
        raise UnknownAccountError(f"several OMS run here: {here}", next_step="name the account, with --account")
    [url] = asked
    return asyncio.run(_ask(config, url, ask, seconds))


def ask_each(
    config: Config,
    ask: Callable[[Client], Awaitable[_T]],
    *,
    account: str | None = None,
    seconds: float = ANSWERED_SECONDS,
) -> Sequence[_T]:
    """Ask the OMS that leads the account, or all of them at once: one that is silent keeps no other from being asked.

    Raises:
        UnknownAccountError: none leads it.
        PartlyDoneError: some have done it.
        NoTokenError, and what the SDK raises: none has.
    """
    asked = _gateways(config, account)
    answers, failed, done = list[_T](), dict[str, OmsError](), list[str]()
    for names, answer in zip(asked.values(), asyncio.run(_ask_all(config, asked, ask, seconds)), strict=True):
        if isinstance(answer, OmsError):
            failed[names] = answer
        else:
            answers.append(answer)
            done.append(names)
    if failed and done:
        missing = "; ".join(f"{names}: {error.cause}" for names, error in failed.items())
        raise PartlyDoneError(f"done on {', '.join(done)}, and not known to be on {missing}")
    if failed:
        raise next((error for error in failed.values() if error.outcome != "none"), next(iter(failed.values())))
    return answers


def _gateways(config: Config, account: str | None) -> Mapping[str, str]:
    """Return whom to ask, with the accounts that each leads: where nobody runs, as the configuration would have it."""
    leading = leaders(config.home)
    if leading and account is not None and account not in leading:
        raise UnknownAccountError(f"no account {account} runs here, only {', '.join(leading)}")
    found: dict[str, str] = {}
    for name, entry in leading.items():
        if account in {None, name}:
            found[entry.gateway_url] = f"{found[entry.gateway_url]}, {name}" if entry.gateway_url in found else name
    return found or {configured_url(config): account or "every account"}


async def _ask_all(
    config: Config, urls: Iterable[str], ask: Callable[[Client], Awaitable[_T]], seconds: float
) -> Sequence[_T | OmsError]:
    async def one(url: str) -> _T | OmsError:
        try:
            return await _ask(config, url, ask, seconds)
        except OmsError as error:
            return error

    return await asyncio.gather(*(one(url) for url in urls))


async def _ask(config: Config, url: str, ask: Callable[[Client], Awaitable[_T]], seconds: float) -> _T:
    token = operator_token(config, os.environ)
    async with connect(url, token=token, timeout=seconds, ca=config.gateway.certificate) as client:
        return await ask(client)
