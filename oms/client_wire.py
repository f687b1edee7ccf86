"""What the client and its twin share: how amounts travel, how answers are read, and what can go wrong."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from oms.errors import OmsError, Outcome
from oms.gateway.problems import Problem

_V = TypeVar("_V")
Amount = Decimal | str | int


class ClientError(OmsError):
    """Whatever the SDK raises. `outcome` says what became of the request: ``none``, ``recorded`` or ``unknown``;
    `client_order_id` which order was placed with it, unless nothing happened.
    """

    code = "client"
    client_order_id: str | None = None

    def name(self, client_order_id: str) -> None:
        """Say which order it is about: whoever let its id be made could not look it up otherwise."""
        self.client_order_id = client_order_id
        self.cause = f"order {client_order_id}: {self.cause}"
        self.args = (self.cause,)


class RefusedError(ClientError):
    """The OMS said no: `problem` is its answer, and `code`, `outcome`, `retryable`, `cause` are what that says."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail, next_step=problem.next_step)
        self.problem = problem
        self.status = problem.status
        self.outcome = problem.outcome
        self.code = problem.code  # type: ignore[misc]  # this type stands for every refusal there is
        self.retryable = problem.retryable  # type: ignore[misc]  # likewise


class UnreachableError(ClientError):
    """No answer came, however often it was tried. The request may have arrived, unless nothing took a connection."""

    code = "unreachable"
    retryable = True
    next_step = "see that the OMS runs, then ask again"

    def __init__(self, cause: str, *, outcome: Outcome) -> None:
        doubt = "see that the OMS runs, and look what became of it before you ask again"
        super().__init__(cause, next_step=doubt if outcome == "unknown" else None)
        self.outcome = outcome

    def name(self, client_order_id: str) -> None:
        super().name(client_order_id)
        self.advice = "see that the OMS runs; look the order up, or place it again under the same client_order_id"


class UnsendableError(ClientError):
    """What was given cannot travel. Nothing was sent."""

    code = "unsendable"
    next_step = "correct it and ask again"


class UnexpectedAnswerError(ClientError):
    """What answers there is no OMS, or not one that this SDK knows."""

    code = "unexpected_answer"
    outcome: Outcome = "unknown"
    next_step = "check the address and the versions of OMS and SDK"


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given, without what was not."""
    return {name: value for name, value in values.items() if value is not None}


def spelled(amount: Amount | None) -> str | None:
    """Return an amount as it travels. A float is refused: what it holds is not what was written."""
    if amount is None or isinstance(amount, str):
        return amount
    if isinstance(amount, bool) or not isinstance(amount, Decimal | int):
        raise TypeError(f"{amount!r} is no amount: use a Decimal, a string or an int")
    return format(Decimal(amount), "f")


@contextmanager
def written() -> Iterator[None]:
    """Write what was given as it travels. Raises UnsendableError for what is no text, such as bytes of a shell's."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise UnsendableError(f"{error.object!a} is no text") from error


def order_path(client_order_id: str) -> str:
    """Return where an order is, whatever its id holds: of ``a#b`` nobody is to end ``a``. Raises UnsendableError."""
    with written():
        return f"/v1/orders/{quote(client_order_id, safe='')}"


def decoded(kind: type[_V], answer: bytes | str) -> _V:
    """Return an answer as a `kind`. Raises UnexpectedAnswerError."""
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.MsgspecError as error:
        raise UnexpectedAnswerError(f"the answer is no {kind.__name__}: {error}") from error


def connector(url: URL, ca: str | None = None) -> aiohttp.BaseConnector:
    """Return what opens connections to `url`; make it where a loop runs."""
    if url.scheme == "unix":
        return aiohttp.UnixConnector(path=url.path)
    return aiohttp.TCPConnector() if ca is None else aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=ca))
