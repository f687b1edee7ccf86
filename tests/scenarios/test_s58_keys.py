"""S58: a key is held to what it proves, by signed calls that change nothing, before a strategy relies on it."""

import json
import subprocess
import sys
import urllib.request
from random import Random  # noqa: TID251 - names from a seed
from typing import Any

import pytest

from adapters.bitmart.check import (
    Hosts,
    KeyForbiddenError,
    KeyRefusedError,
    KeyReport,
    May,
    UnknownKeyError,
    WrongSecretError,
    check,
    told,
)
from adapters.bitmart.sign import Credentials
from adapters.bitmart.venue import Endpoints
from adapters.simulator.wire.keys import KeyState, Permission
from tests.adapters.bitmart.fakes import spawn
from tests.e2e.conftest import machine  # noqa: F401 - a fixture
from tests.scenarios.house import House, tell
from tests.simulation.running import CountedIds

YES, NO, UNKNOWN = May.YES, May.NO, May.UNKNOWN
READ, SPOT, FUTURES, WITHDRAW = (
    Permission.READ, Permission.SPOT_TRADE, Permission.FUTURES_TRADE, Permission.WITHDRAW,
)  # fmt: skip
TABLE = [  # permissions, then what is reported of trading spot, trading futures and withdrawing
    ({READ}, (NO, NO, NO)),
    ({READ, SPOT}, (YES, NO, NO)),
    ({READ, FUTURES}, (NO, YES, NO)),
    ({READ, SPOT, FUTURES}, (YES, YES, NO)),
    ({READ, SPOT, FUTURES, WITHDRAW}, (YES, YES, YES)),
]


@pytest.mark.parametrize(("permissions", "expected"), TABLE)
def test_s58_what_a_key_may_do_is_known_before_anything_trades_and_asking_changes_nothing(
    permissions: set[Permission], expected: tuple[May, May, May]
) -> None:
    async def story(house: House) -> None:
        house.by_hand("buy", "0.01", "40000")
        before = everything(house)
        house.simulator.change_key(house.credentials.key, permissions=frozenset(permissions))
        found = await asked(house, house.credentials)
        assert (found.spot_read, found.futures_read) == (YES, YES)
        assert (found.spot_trade, found.futures_trade, found.withdraw) == expected
        assert everything(house) == before
        assert told(found).count("may not") == expected.count(NO)

    tell(story)


def test_s58_a_wrong_memo_secret_or_key_opens_nothing_and_is_named_for_what_it_is() -> None:
    async def story(house: House) -> None:
        right = house.credentials
        for wrong, error in (
            (Credentials(right.key, right.secret, right.memo.upper()), WrongSecretError),
            (Credentials(right.key, right.secret + "0", right.memo), WrongSecretError),
            (Credentials("0" + right.key, right.secret, right.memo), UnknownKeyError),
        ):
            await refused(house, wrong, error)
        assert (await asked(house, right)).spot_trade is YES, "the right one was not harmed"

    tell(story)


def test_s58_a_frozen_expired_or_foreign_key_opens_nothing_any_more() -> None:
    async def story(house: House) -> None:
        key, change = house.credentials.key, house.simulator.change_key
        for state in (KeyState.FROZEN, KeyState.EXPIRED):
            change(key, state=state)
            await refused(house, house.credentials, UnknownKeyError)
        change(key, state=KeyState.ACTIVE, ips=frozenset({"203.0.113.7"}))
        await refused(house, house.credentials, KeyForbiddenError)
        change(key, ips=frozenset())
        assert (await asked(house, house.credentials)).spot_read is YES

    tell(story)


def test_s58_a_permission_that_nobody_answered_for_is_unknown_and_not_denied() -> None:
    async def story(house: House) -> None:
        house.network.lost_answers |= {"/spot/v3/cancel_order", "/contract/private/modify-limit-order"}
        found = await asked(house, house.credentials)
        assert (found.spot_read, found.spot_trade, found.futures_trade) == (YES, UNKNOWN, UNKNOWN)
        assert told(found).count("unknown") == 2

    tell(story)


@pytest.mark.postgres
@pytest.mark.timeout(180)
def test_s58_a_start_says_what_each_key_may_do_before_it_takes_orders(machine: Any) -> None:  # noqa: F811
    exchange = machine.exchange()
    (login,) = exchange.ready["accounts"]
    passphrase = machine.home.parent / "passphrase"
    passphrase.write_text("correct horse")
    named = {name: exchange.ready[f"{name}_url"] for name in ("spot", "futures", "spot_ws", "futures_ws")}
    machine.environment |= {f"OMS_BITMART_{name.upper()}_URL": url for name, url in named.items()}
    machine.environment["OMS_PASSPHRASE_FILE"] = str(passphrase)
    subprocess.run(
        [sys.executable, "-m", "oms", "connect", "bitmart"],
        env=machine.environment,
        input="\n".join((login["key"], login["secret"], login["memo"])),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    body = json.dumps({"key": login["key"], "permissions": ["read", "spot_trade"]}).encode()
    with urllib.request.urlopen(f"{exchange.ready['sim_url']}/sim/keys", body, timeout=10):
        pass
    system = machine._start("up", "--venue", "bitmart", "--json")
    words = system.said.read_text()
    assert "account main: its key may read spot, may trade spot, may read futures, may not trade futures" in words
    assert login["secret"] not in words
    assert system.terminate() == 0


async def asked(house: House, credentials: Credentials) -> KeyReport:
    at, ids = Endpoints(), CountedIds(house.clock, 1, Random(1))
    hosts, line = Hosts(at.spot, at.futures), house.network.line()
    return await check(credentials, hosts, link=line, clock=house.clock, ids=ids, spawn=spawn)


async def refused(house: House, credentials: Credentials, error: type[KeyRefusedError]) -> None:
    sent = len(house.network.sent)
    with pytest.raises(error) as refusal:
        await asked(house, credentials)
    assert type(refusal.value) is error
    assert credentials.secret not in repr(refusal.value) + str(refusal.value)
    paths = [each.path for each in house.network.sent[sent:]]
    assert not [path for path in paths if "cancel" in path or "modify" in path or "withdraw" in path], "it went on"


def everything(house: House) -> object:
    return (sorted(house.spot.open), len(house.spot.fills), {c: b.available for c, b in house.spot.balances.items()})
