"""What an account can do on spot beside trading: move coins in and out, borrow, have sub-accounts (PROTOCOL 3.2, 5.7).

The venue is being wound down (PROTOCOL 0.1): no coin comes in or leaves, nothing is lent, and no account here has a
sub-account. So lists are empty and commands are refused, each with the code that the documentation has for it.
"""

from collections.abc import Callable, Mapping
from typing import Final

from adapters.simulator.wire.codes import WireError
from adapters.simulator.wire.gateway import Call, Endpoint, Endpoints, Level
from adapters.simulator.wire.keys import Permission
from adapters.simulator.wire.limits import Limit
from adapters.simulator.wire.venue import Venue

Handler = Callable[[Call], object]

SUB_ACCOUNT: Final = "/account/sub-account"
MARGIN: Final = "/spot/v1/margin"
NO_ADDRESS, NO_WITHDRAWAL, NO_RECORD, NO_COIN = 60003, 60004, 60010, 60002
NO_SUB_ACCOUNT, NO_LOANS, NOT_FOR_THIS_KEY, EMPTY = 61003, 51001, 30019, 60000


class Custody:
    """The endpoints of one venue; each method answers with the envelope's `data`."""

    def __init__(self, venue: Venue) -> None:
        self._coins = {
            coin for market in venue.exchange.markets.values() for coin in (market.base, market.quote)
        }  # fmt: skip

    def endpoints(self) -> Endpoints:
        """Every path, with the limits of PROTOCOL 3.2."""
        moving = ("main/v1/main-to-sub", "main/v1/sub-to-main", "main/v1/sub-to-sub", "sub/v1/sub-to-main")
        return {
            "/account/v1/deposit/address": _asked(2, self.deposit_address),
            "/account/v1/withdraw/charge": _asked(2, self.withdraw_charge),
            "/account/v1/withdraw/address/list": _asked(2, lambda _: {"list": []}),
            "/account/v1/withdraw/apply": _told(8, self.withdraw, Permission.WITHDRAW),
            "/account/v2/deposit-withdraw/history": _asked(8, lambda _: {"records": []}),
            "/account/v1/deposit-withdraw/detail": _asked(8, _refused(NO_RECORD)),
            "/account/v1/transfer": _told(2, _refused(NOT_FOR_THIS_KEY)),
            f"{SUB_ACCOUNT}/main/v1/subaccount-list": _asked(8, lambda _: {"subAccountList": []}),
            f"{SUB_ACCOUNT}/main/v1/transfer-list": _asked(8, lambda _: {"total": 0, "historyList": []}),
            f"{SUB_ACCOUNT}/v1/transfer-history": _asked(8, lambda _: {"total": 0, "historyList": []}),
            f"{SUB_ACCOUNT}/main/v1/wallet": _asked(12, _refused(NO_SUB_ACCOUNT)),
            **{f"{SUB_ACCOUNT}/{path}": _told(2, _refused(NO_SUB_ACCOUNT)) for path in (*moving, "sub/v1/sub-to-sub")},
            f"{MARGIN}/isolated/pairs": _asked(2, lambda _: {"symbols": []}),
            f"{MARGIN}/isolated/account": _asked(12, lambda _: {"symbols": []}),
            f"{MARGIN}/isolated/borrow_record": _asked(150, lambda _: {"records": []}),
            f"{MARGIN}/isolated/repay_record": _asked(150, lambda _: {"records": []}),
            **{f"{MARGIN}/isolated/{verb}": _told(2, _refused(NO_LOANS)) for verb in ("borrow", "repay", "transfer")},
            f"{MARGIN}/submit_order": _told(20, _refused(NO_LOANS), seconds=1, target="uid"),
        }

    def deposit_address(self, call: Call) -> object:
        """No coin has an address any more."""
        self._coin(call)
        raise WireError(NO_ADDRESS)

    def withdraw_charge(self, call: Call) -> object:
        """What a withdrawal would cost, and that none is to be had today."""
        self._coin(call)
        return {
            "today_available_withdraw_BTC": "0.0000",
            "min_withdraw": "0.00000000",
            "withdraw_precision": 8,
            "withdraw_fee": "0.00000000",
            "withdraw_Precision_GeTen": 10,
        }

    def withdraw(self, call: Call) -> object:
        """No coin leaves, as since the venue suspended it (PROTOCOL 0.1)."""
        raise WireError(NO_WITHDRAWAL if call.body else EMPTY)

    def _coin(self, call: Call) -> None:
        if call.query.get("currency", "").partition("-")[0] not in self._coins:  # USDT-TRC20 is USDT on its network
            raise WireError(NO_COIN)


def _asked(calls: int, handler: Handler) -> Mapping[str, Endpoint]:
    return {"GET": Endpoint(Level.KEYED, Limit(calls, 2, "key"), handler)}


def _told(
    calls: int,
    handler: Handler,
    permission: Permission = Permission.SPOT_TRADE,
    *,
    seconds: int = 2,
    target: str = "key",
) -> Mapping[str, Endpoint]:
    return {"POST": Endpoint(Level.SIGNED, Limit(calls, seconds, target), handler, permission=permission)}


def _refused(code: int) -> Handler:
    def refuse(_call: Call) -> object:
        raise WireError(code)

    return refuse
