"""What a BitMart key may do, asked before anything trusts it: signed calls that change nothing (PROTOCOL 2.1).

A KEYED call proves only that the key exists; the first SIGNED one proves secret and memo too. Each permission is asked
for by a request that the venue can only refuse: a cancel and a change of an order that no account has, a withdrawal of
nothing to nowhere. A refusal about the order says that the key would have been allowed; 30012 and its kin say that it
would not; whatever else comes leaves it unknown.
"""

from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from adapters.bitmart.envelope import opened
from adapters.bitmart.limits import SPOT_RATES
from adapters.bitmart.refusals import CLOCK, ORDER_NOT_FOUND
from adapters.bitmart.rest import Rest
from adapters.bitmart.sign import Credentials
from adapters.bitmart.spot import codec
from oms.errors import OmsError
from oms.ports import Clock, Ids, Link, Spawn
from oms.reports import Refusal, RefusalClass
from oms.venue import Evidence, NoAnswerError

TRANSFERS: Final = "/account/v1/transfer-contract-list"
MODIFY_LIMIT: Final = "/contract/private/modify-limit-order"
WITHDRAW: Final = "/account/v1/withdraw/apply"
WINDOW_MS: Final = 5000
NO_SUCH_ORDER: Final = frozenset(
    {ORDER_NOT_FOUND, "order_closed", "already_canceled", "already_filled"}  # only after the permission was looked at
)
# PROTOCOL 4.7: no such order, of futures, by code: these prove that the request got as far as the orders.
FUTURES_NO_SUCH_ORDER: Final = frozenset({"40035", "40036", "40037"})
MAY_NOT: Final = frozenset({"30012", "30019", "53003", "53005"})  # PROTOCOL 2.1, 4.4


class May(StrEnum):
    """Whether the key may do something."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class KeyReport(Struct, frozen=True, kw_only=True):
    """What a key was found to be allowed to do. `withdraw` YES is a danger: an OMS never needs it."""

    spot_read: May
    spot_trade: May
    futures_read: May
    futures_trade: May
    withdraw: May


class KeyRefusedError(OmsError):
    """The venue does not accept the key, or not what signs with it."""

    code = "key_refused"
    next_step = "copy the key, the secret and the memo again from the venue's page of API keys"


class UnknownKeyError(KeyRefusedError):
    """The venue does not know the key, or has frozen it, or it has expired."""

    code = "unknown_key"
    next_step = "see the venue's page of API keys: whether this one is there, active and not expired"


class WrongSecretError(KeyRefusedError):
    """The key exists, and what signs with it is wrong: the secret or the memo. The venue does not say which."""

    code = "wrong_secret_or_memo"
    next_step = "check the secret, and the memo: the label typed when the key was made, letter by letter"


class KeyForbiddenError(KeyRefusedError):
    """The key and its signature are right, and the venue does not let it read: an address, a permission, an account."""

    code = "key_forbidden"
    next_step = "see the venue's page of API keys: the key's addresses (IP) and its permissions"


class Hosts(Struct, frozen=True):
    """Where BitMart is, spot and futures."""

    spot: str
    futures: str


async def check(
    credentials: Credentials, hosts: Hosts, *, link: Link, clock: Clock, ids: Ids, spawn: Spawn
) -> KeyReport:
    """Return what the key may do.

    Raises:
        UnknownKeyError, WrongSecretError, KeyForbiddenError: it opens nothing, and why.
        NoAnswerError: the venue could not be asked, or its answer settles nothing.
    """
    key = _Key(credentials, hosts, link=link, clock=clock, spawn=spawn)
    nobody = ids.next()  # a client order id that no account has
    await key.prove()
    return KeyReport(
        spot_read=May.YES,
        spot_trade=await key.spot_trade(nobody),
        futures_read=await key.futures_read(),
        futures_trade=await key.futures_trade(nobody),
        withdraw=await key.withdraw(),
    )


def told(found: KeyReport) -> str:
    """Return in a sentence what a key may do."""
    answers = {May.YES: "may", May.NO: "may not", May.UNKNOWN: "may or may not (unknown)"}
    deeds = {"read spot": found.spot_read, "trade spot": found.spot_trade, "read futures": found.futures_read}
    deeds |= {"trade futures": found.futures_trade, "withdraw": found.withdraw}
    return "its key " + ", ".join(f"{answers[may]} {deed}" for deed, may in deeds.items())


class _Key:
    """One key, asked about call by call."""

    def __init__(self, credentials: Credentials, hosts: Hosts, *, link: Link, clock: Clock, spawn: Spawn) -> None:
        self._spot = Rest(
            credentials=credentials, url=hosts.spot, rates=SPOT_RATES, link=link, clock=clock, spawn=spawn
        )
        self._futures = Rest(
            credentials=credentials,
            url=hosts.futures,
            rates={},
            link=link,
            clock=clock,
            spawn=spawn,
            server_clock=self._spot.server_clock,  # the time is asked on the spot host (PROTOCOL 1)
        )

    async def prove(self) -> None:
        """See that key, secret and memo are right and may read: the list of open orders, which is SIGNED."""
        body = msgspec.json.encode({"recvWindow": WINDOW_MS})
        evidence = await self._spot.signed(codec.QUERY_OPEN_ORDERS, body)
        refusal = _refusal(evidence)
        if refusal is not None and refusal.reason == CLOCK:  # our idea of the venue's time was wrong: measure again
            self._spot.server_clock.doubt()
            evidence = await self._spot.signed(codec.QUERY_OPEN_ORDERS, body)
            refusal = _refusal(evidence)
        if refusal is None:
            return
        said = f"the venue says {refusal.code}: {refusal.text}"
        match refusal.klass, refusal.reason:
            case RefusalClass.AUTH, "signature":
                raise WrongSecretError(f"the key exists, but the secret or the memo is wrong; {said}")
            case RefusalClass.AUTH, "key":
                raise UnknownKeyError(f"the key is unknown, frozen or expired; {said}")
            case RefusalClass.AUTH, _:
                raise KeyForbiddenError(f"the key is right and may not read the spot account; {said}")
            case _:
                raise NoAnswerError(f"the key could not be checked; {said}", evidence)

    async def spot_trade(self, nobody: str) -> May:
        """Cancel an order that nobody has."""
        body = msgspec.json.encode({"symbol": "BTC_USDT", "client_order_id": nobody})
        refusal = await self._asked(self._spot, codec.CANCEL_ORDER, body)
        if refusal is None:
            return May.YES  # it looked for the order: `result: false` is one of its ways to say no (PROTOCOL 5.6)
        return _may(refusal, allowed=refusal.reason in NO_SUCH_ORDER)

    async def futures_read(self) -> May:
        """List transfers between spot and futures: the one read of the futures host that is SIGNED."""
        body = msgspec.json.encode({"page": 1, "limit": 10, "recvWindow": WINDOW_MS})
        refusal = await self._asked(self._futures, TRANSFERS, body)
        return May.YES if refusal is None else _may(refusal, allowed=False)

    async def futures_trade(self, nobody: str) -> May:
        """Change an order that nobody has; not cancel it: a futures cancel whose id is lost cancels all (9.4)."""
        body = msgspec.json.encode({"symbol": "BTCUSDT", "client_order_id": nobody, "price": "1"})
        refusal = await self._asked(self._futures, MODIFY_LIMIT, body)
        if refusal is None:
            return May.UNKNOWN  # taken, for an order that does not exist: the answer says nothing
        return _may(refusal, allowed=refusal.code in FUTURES_NO_SUCH_ORDER)

    async def withdraw(self) -> May:
        """Ask for a withdrawal of nothing to nowhere: it names no coin, amount or address, so it can only be refused.

        What the product refuses had got past the permission.
        """
        refusal = await self._asked(self._spot, WITHDRAW, b"{}")
        if refusal is None:
            return May.UNKNOWN
        return _may(refusal, allowed=refusal.klass is RefusalClass.CERTAIN and (refusal.code or "").startswith("60"))

    async def _asked(self, rest: Rest, path: str, body: bytes) -> Refusal | None:
        """Return the refusal, None for a success; what could not be asked is a refusal that proves nothing."""
        try:
            evidence = await rest.signed(path, body)
        except NoAnswerError as error:
            return Refusal(klass=RefusalClass.UNKNOWN, reason="no_answer", text=error.cause)
        return _refusal(evidence)


def _refusal(evidence: Evidence) -> Refusal | None:
    found = opened(evidence.response, evidence.status)
    return found if isinstance(found, Refusal) else None


def _may(refusal: Refusal, *, allowed: bool) -> May:
    if refusal.code in MAY_NOT:
        return May.NO
    return May.YES if allowed else May.UNKNOWN
