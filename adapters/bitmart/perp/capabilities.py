"""What BitMart futures can do, how late it says so, and what a path that it switches off takes away."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from adapters.bitmart.perp import codec
from oms.values import OrderType, TimeInForce
from oms.venue import Capabilities

CAPABILITIES: Final = Capabilities(
    name="bitmart perpetuals",
    order_types=frozenset({OrderType.LIMIT, OrderType.MARKET}),
    times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK}),
    post_only=True,
    market_buy_by_notional=False,
    reduce_only=True,
    hedge_mode=True,
    amend=True,
    triggers=True,
    amend_triggers=True,
    trailing=True,
    protections=True,
    amend_protections=True,
    leverage=True,
    dead_man=True,
    looks_up_by_client_id=False,  # only the venue's; one client tries ours there, UNVERIFIED (PROTOCOL 6.6)
    submit_validity=60.0,  # a stamp is good for a minute (2.4, 9.22)
    visibility_delay=10.0,  # "not found means nothing for at least several seconds" (9.1)
    lag=40.0,  # no source says how far behind queries are at worst (9.1): half a minute is survived
    unfilled_memory=20 * 60.0,  # known of spot (9.7); no source says that futures remember longer
    history_window=7 * 86_400.0,  # what lists show without being asked for more (6.6)
    history_reach=90 * 86_400.0,  # at most (6.6)
)

# What is lost once the venue has switched a path off (PROTOCOL 9.51), in the words of `Capabilities.lost`.
CAPABILITY_OF: Final[Mapping[str, str]] = MappingProxyType(
    {
        codec.SUBMIT_ORDER: "submit",
        codec.CANCEL_ORDER: "cancel",
        codec.SUBMIT_PLAN_ORDER: "triggers",
        codec.CANCEL_PLAN_ORDER: "cancel_triggers",
        codec.PLAN_ORDERS: "open_triggers",
        codec.MODIFY_LIMIT_ORDER: "amend",
        codec.MODIFY_PLAN_ORDER: "amend_triggers",
        codec.MODIFY_PRESET_PLAN_ORDER: "amend_protections",
        codec.ORDER: "order",
        codec.OPEN_ORDERS: "open_orders",
        codec.TRADES: "trades",
        codec.ORDER_HISTORY: "order_history",
        codec.DETAILS: "instruments",
        codec.ASSETS: "balances",
        codec.POSITION_V2: "positions",
        codec.TRANSACTIONS: "ledger",
        codec.SUBMIT_LEVERAGE: "set_leverage",
        codec.SET_POSITION_MODE: "set_position_mode",
        codec.CANCEL_ALL_AFTER: "dead_man",
    },
)
