"""BitMart's futures REST: which paths there are, and what it takes to call them (PROTOCOL 2, 3.3, 6)."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from adapters.simulator.wire.codes import WireError
from adapters.simulator.wire.futures.plans import Plans
from adapters.simulator.wire.futures.public import Public
from adapters.simulator.wire.futures.queries import Queries
from adapters.simulator.wire.futures.trading import Trading
from adapters.simulator.wire.futures.venue import Venue
from adapters.simulator.wire.futures.wallets import Wallets
from adapters.simulator.wire.gateway import Call, Endpoint, Endpoints, Gateway, Level, Spelling
from adapters.simulator.wire.keys import Permission
from adapters.simulator.wire.limits import Limit
from adapters.simulator.wire.public import maintained

SPELLING: Final = Spelling(success="Ok", error_data=False, wrong_method=60030, wrong_media=60031)
PUBLIC: Final = "/contract/public"
PRIVATE: Final = "/contract/private"
SUB_ACCOUNT: Final = "/account/contract/sub-account"
PAGE: Final = re.compile(r"[0-9]{1,6}")
RETIRED: Final = ("/contract/v1/tickers", "/contract/v1/ifcontract/contracts")  # futures V1


def futures_rest(venue: Venue) -> Gateway:
    """Return the futures host's REST over `venue`."""
    return Gateway(venue.house, _endpoints(venue), SPELLING)


def _endpoints(venue: Venue) -> Endpoints:
    """Every endpoint of PROTOCOL 6, with the limits of 3.3; where none is documented, those of its neighbours."""
    return {
        **_public(Public(venue)),
        **_queries(Queries(venue)),
        **_orders(venue),
        **_wallets(Wallets(venue)),
        **_affiliate(),
        **_closed_to_us(),
    }


def _open_to_all(calls: int, handler: Callable[[Call], object], seconds: int = 2) -> Mapping[str, Endpoint]:
    return {"GET": Endpoint(Level.NONE, Limit(calls, seconds, "ip"), handler)}


def _keyed(calls: int, handler: Callable[[Call], object]) -> Mapping[str, Endpoint]:
    return {"GET": Endpoint(Level.KEYED, Limit(calls, 2, "key"), handler)}


def _signed(
    calls: int,
    target: str,
    handler: Callable[[Call], object],
    *,
    windowed: bool = False,
    permission: Permission = Permission.FUTURES_TRADE,
) -> Mapping[str, Endpoint]:
    """Take a signed call. That transfers need the permission to trade, and lists of them none, is assumed."""
    return {"POST": Endpoint(Level.SIGNED, Limit(calls, 2, target), handler, windowed, permission)}


def _public(public: Public) -> Endpoints:
    return {
        "/system/time": _open_to_all(10, public.time, 1),  # others found both on this host (PROTOCOL 1)
        "/system/service": _open_to_all(10, lambda call: maintained(call.now_ms), 1),
        f"{PUBLIC}/details": _open_to_all(12, public.details),
        f"{PUBLIC}/depth": _open_to_all(12, public.depth),
        f"{PUBLIC}/market-trade": _open_to_all(12, public.trades),
        f"{PUBLIC}/kline": _open_to_all(12, public.klines),
        f"{PUBLIC}/markprice-kline": _open_to_all(12, public.mark_klines),
        f"{PUBLIC}/funding-rate": _open_to_all(12, public.funding_rate),
        f"{PUBLIC}/funding-rate-v2": _open_to_all(12, public.funding_rates),
        f"{PUBLIC}/funding-rate-history": _open_to_all(12, public.funding_history),
        f"{PUBLIC}/open-interest": _open_to_all(2, public.open_interest),
        f"{PUBLIC}/leverage-bracket": _open_to_all(12, public.brackets),
        **{path: _open_to_all(12, _retired) for path in RETIRED},
    }


def _queries(queries: Queries) -> Endpoints:
    return {
        f"{PRIVATE}/order": _keyed(50, queries.order),
        f"{PRIVATE}/get-open-orders": _keyed(50, queries.open_orders),
        f"{PRIVATE}/current-plan-order": _keyed(50, queries.plans),
        f"{PRIVATE}/order-history": _keyed(6, queries.order_history),
        f"{PRIVATE}/trades": _keyed(6, queries.trades),
        f"{PRIVATE}/transaction-history": _keyed(6, queries.transaction_history),
        f"{PRIVATE}/position": _keyed(6, queries.position),
        f"{PRIVATE}/position-v2": _keyed(6, queries.position_v2),
        f"{PRIVATE}/position-risk": _keyed(24, queries.position_risk),
        f"{PRIVATE}/assets-detail": _keyed(12, queries.assets),
        f"{PRIVATE}/trade-fee-rate": _keyed(2, queries.fee_rate),
        f"{PRIVATE}/get-position-mode": _keyed(2, queries.mode),
    }


def _orders(venue: Venue) -> Endpoints:
    trading, plans = Trading(venue), Plans(venue)
    return {
        f"{PRIVATE}/submit-order": _signed(24, "key", trading.submit),
        f"{PRIVATE}/cancel-order": _signed(40, "key", trading.cancel),
        f"{PRIVATE}/cancel-orders": _signed(2, "key", trading.cancel_all),
        f"{PRIVATE}/cancel-all-after": _signed(4, "uid", trading.cancel_all_after),
        f"{PRIVATE}/modify-limit-order": _signed(24, "uid", trading.modify),
        f"{PRIVATE}/submit-leverage": _signed(24, "key", trading.set_leverage),
        f"{PRIVATE}/set-position-mode": _signed(2, "key", trading.set_mode),
        f"{PRIVATE}/close-all-position": _signed(2, "key", trading.close_all),
        f"{PRIVATE}/submit-plan-order": _signed(24, "uid", plans.submit),
        f"{PRIVATE}/submit-tp-sl-order": _signed(24, "uid", plans.submit_protection),
        f"{PRIVATE}/submit-trail-order": _signed(24, "uid", plans.submit_trail),
        f"{PRIVATE}/modify-plan-order": _signed(24, "uid", plans.modify),
        f"{PRIVATE}/modify-tp-sl-order": _signed(24, "uid", plans.modify_protection),
        f"{PRIVATE}/modify-preset-plan-order": _signed(24, "uid", plans.modify_presets),
        f"{PRIVATE}/cancel-plan-order": _signed(40, "uid", plans.cancel),
        f"{PRIVATE}/cancel-trail-order": _signed(24, "uid", plans.cancel_trail),
    }


def _wallets(wallets: Wallets) -> Endpoints:
    return {
        "/account/v1/transfer-contract": _signed(1, "key", wallets.transfer, windowed=True),
        "/account/v1/transfer-contract-list": _signed(
            1, "key", wallets.transfers, windowed=True, permission=Permission.READ
        ),
        f"{SUB_ACCOUNT}/main/v1/sub-to-main": _signed(8, "key", wallets.no_sub_account),
        f"{SUB_ACCOUNT}/main/v1/main-to-sub": _signed(8, "key", wallets.no_sub_account),
        f"{SUB_ACCOUNT}/sub/v1/sub-to-main": _signed(8, "key", wallets.no_sub_account),
        f"{SUB_ACCOUNT}/main/v1/wallet": _keyed(12, wallets.no_sub_account),
        f"{SUB_ACCOUNT}/main/v1/transfer-list": _keyed(8, wallets.no_transfers),
        f"{SUB_ACCOUNT}/v1/transfer-history": _keyed(8, wallets.no_transfers),
    }


def _affiliate() -> Endpoints:
    """Nobody here was brought by anybody. These answers alone quote the code (PROTOCOL 4.1)."""
    sums = {f"{coin}_rebate_sum": 0 for coin in ("btc", "usdt", "eth")}
    answers: Mapping[str, Mapping[str, object]] = {
        "rebate-list": {**sums, "rebate_detail_page_data": []},
        "trade-list": {"list": []},
    }

    def asked(nothing: Mapping[str, object]) -> Mapping[str, Endpoint]:
        def page(call: Call) -> object:
            given = {name: call.query.get(name, "1") for name in ("page", "size")}
            if not all(map(PAGE.fullmatch, given.values())):
                raise WireError(40011)
            return {"total": 0, **{name: int(number) for name, number in given.items()}, **nothing}

        return {"GET": Endpoint(Level.KEYED, Limit(24, 2, "key"), page, code="1000")}

    return {f"{PRIVATE}/affiliate/{name}": asked(nothing) for name, nothing in answers.items()}


def _closed_to_us() -> Endpoints:
    """What only newer accounts, or the demo host, may do: what is asked and answered there no source shows."""
    return {
        f"{PRIVATE}/claim": _signed(2, "key", _forbidden),
        f"{PRIVATE}/account/v1/transfer": _signed(2, "key", _forbidden),
        f"{PRIVATE}/auto_repayment": _keyed(2, _forbidden),
        f"{PRIVATE}/cross_collateral/interest_log": _keyed(2, _forbidden),
    }


def _forbidden(_call: Call) -> object:
    raise WireError(30019)


def _retired(_call: Call) -> object:
    raise WireError(30030)
