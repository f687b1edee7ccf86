"""`oms connect`: keys come in by stdin, are checked with a signed call, and never show again."""

import asyncio
import io
import json
import sys
import threading  # noqa: TID251  # the exchange is another program in life, and another thread here
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from adapters.simulator.server import Urls, serve
from adapters.simulator.simulator import Simulator
from oms.cli import connect as connecting
from oms.cli import running
from oms.config import Config, Secret
from oms.runtime import SystemClock, Tasks
from oms.values import AccountId
from oms.vault import Vault

Oms = Callable[..., Any]


@pytest.fixture
def exchange() -> Iterator[Urls]:
    """A simulated exchange in a thread of its own: the command runs its own loop in ours."""
    urls: list[Urls] = []
    up, loop = threading.Event(), asyncio.new_event_loop()
    over = asyncio.Event()

    async def stay() -> None:
        tasks = Tasks()
        async with serve(Simulator(seed=5, traders=False), clock=SystemClock(), spawn=tasks) as served:
            urls.append(served)
            up.set()
            await over.wait()
        await tasks.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(stay()))
    thread.start()
    assert up.wait(10)
    try:
        yield urls[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@pytest.fixture
def ask(oms: Oms, exchange: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Oms:
    """`ask(lines, *arguments)` runs a command with those lines on stdin, at the exchange, with a passphrase file."""
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse\n")
    for name, value in (
        ("OMS_PASSPHRASE_FILE", str(passphrase)),
        ("OMS_BITMART_SPOT_URL", exchange.spot_url),
        ("OMS_BITMART_FUTURES_URL", exchange.futures_url),
    ):
        monkeypatch.setenv(name, value)

    monkeypatch.setattr(running, "log_to", lambda _: None)  # the log of this process is the other tests' too

    def run(lines: tuple[str, ...], *arguments: str) -> Any:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(line + "\n" for line in lines)))
        return oms(*arguments, "--json")

    return run


def turn(exchange: Urls, what: str, **fields: object) -> None:
    """Meddle at the simulator's own door."""
    door = urllib.request.Request(f"{exchange.sim_url}/sim/{what}", data=json.dumps(fields).encode())
    with urllib.request.urlopen(door, timeout=10) as answer:
        assert answer.status == 200


def truth(exchange: Urls) -> Any:
    with urllib.request.urlopen(f"{exchange.sim_url}/sim/truth", timeout=10) as answer:
        return json.load(answer)["accounts"][exchange.accounts[0].name]


def test_an_account_is_connected_listed_and_forgotten(ask: Oms, exchange: Urls, home: Path) -> None:
    (login,) = exchange.accounts
    lines = (login.key, login.secret, login.memo)
    done = ask(lines, "connect", "bitmart", "--account", "alpha")
    assert (done.code, done.json["account"], done.json["may"]["spot_trade"]) == (0, "alpha", "yes")
    (listed,) = ask((), "connect", "--list").json
    assert (listed["venue"], listed["account"], listed["may"]["spot_read"]) == ("bitmart", "alpha", "yes")
    everything = "".join(file.read_text() for file in home.rglob("*") if file.is_file()) + done.out + done.err
    assert not any(secret in everything for secret in lines)
    assert ask((), "connect", "--account", "beta", "--remove").code == 1
    assert ask((), "connect", "--account", "alpha", "--remove").json["removed"] is True
    assert ask((), "connect", "--list").json == []


def test_s58_a_wrong_secret_a_wrong_memo_and_a_wrong_key_keep_nothing(ask: Oms, exchange: Urls, home: Path) -> None:
    (login,) = exchange.accounts
    for lines, code in (
        ((login.key, login.secret + "0", login.memo), "wrong_secret_or_memo"),
        ((login.key, login.secret, login.memo.upper()), "wrong_secret_or_memo"),
        (("0" + login.key, login.secret, login.memo), "unknown_key"),
        ((login.key, "", login.memo), "key_input"),
        ((login.key,), "key_input"),
    ):
        done = ask(lines, "connect", "bitmart")
        assert (done.code, done.error["code"]) == (1, code)
        assert login.secret not in done.out + done.err
    assert not (home / "vault").exists()


def test_a_venue_that_is_down_keeps_nothing_and_says_what_to_do(
    ask: Oms, exchange: Urls, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMS_BITMART_SPOT_URL", "http://127.0.0.1:1")
    (login,) = exchange.accounts
    done = ask((login.key, login.secret, login.memo), "connect", "bitmart")
    assert (done.code, done.error["code"], done.error["outcome"]) == (1, "venue_unreachable", "none")
    assert "127.0.0.1:1" in done.error["cause"]
    assert "address" in done.error["next_step"]
    assert not (home / "vault").exists()


TRADES = {"spot_read": "yes", "spot_trade": "yes", "futures_read": "yes", "futures_trade": "yes", "withdraw": "no"}


@pytest.mark.parametrize("code", [30012, 30019])
@pytest.mark.parametrize(
    ("permissions", "may"),
    [
        (["read"], TRADES | {"spot_trade": "no", "futures_trade": "no"}),
        (["read", "spot_trade"], TRADES | {"futures_trade": "no"}),
        (["read", "futures_trade"], TRADES | {"spot_trade": "no"}),
        (["read", "spot_trade", "futures_trade"], TRADES),
    ],
)
def test_s58_what_the_venue_lets_a_key_do_is_reported_and_kept(
    ask: Oms, exchange: Urls, permissions: list[str], may: dict[str, str], code: int
) -> None:
    (login,) = exchange.accounts
    turn(exchange, "settings", forbidden_code=code)
    turn(exchange, "keys", key=login.key, permissions=permissions)
    done = ask((login.key, login.secret, login.memo), "connect", "bitmart")
    assert (done.code, done.json["may"]) == (0, may)
    assert ("orders will be refused" in done.err) is ("no" in {may["spot_trade"], may["futures_trade"]})
    (listed,) = ask((), "connect", "--list").json
    assert listed["may"] == may
    assert truth(exchange)["spot"]["orders"] == truth(exchange)["futures"]["orders"] == []  # asking changed nothing


def test_s58_a_key_that_may_withdraw_is_refused_unless_forced(ask: Oms, exchange: Urls) -> None:
    (login,) = exchange.accounts
    lines = (login.key, login.secret, login.memo)
    turn(exchange, "keys", key=login.key, permissions=["read", "spot_trade", "futures_trade", "withdraw"])
    done = ask(lines, "connect", "bitmart")
    assert (done.code, done.error["code"]) == (1, "may_withdraw")
    assert ask((), "connect", "--list").json == []
    forced = ask(lines, "connect", "bitmart", "--force")
    assert (forced.code, forced.json["may"]) == (0, TRADES | {"withdraw": "yes"})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ips": ["203.0.113.7"]}, "key_forbidden"),
        ({"state": "frozen"}, "unknown_key"),
        ({"state": "expired"}, "unknown_key"),
    ],
)
def test_s58_a_key_from_the_wrong_address_or_past_its_life_is_not_kept(
    ask: Oms, exchange: Urls, home: Path, change: dict[str, object], code: str
) -> None:
    (login,) = exchange.accounts
    turn(exchange, "keys", key=login.key, **change)
    done = ask((login.key, login.secret, login.memo), "connect", "bitmart")
    assert (done.code, done.error["code"]) == (1, code)
    assert not (home / "vault").exists()


def test_a_permission_that_cannot_be_asked_for_is_unknown(ask: Oms, exchange: Urls) -> None:
    (login,) = exchange.accounts
    retired = {"/account/v1/withdraw/apply": "404", "/contract/private/modify-limit-order": "30031"}
    turn(exchange, "settings", retired=retired)
    done = ask((login.key, login.secret, login.memo), "connect", "bitmart")
    assert (done.code, done.json["may"]) == (0, TRADES | {"withdraw": "unknown", "futures_trade": "unknown"})


def test_without_a_passphrase_nothing_is_kept_and_nothing_trades(
    ask: Oms, exchange: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    (login,) = exchange.accounts
    lines = (login.key, login.secret, login.memo)
    passphrase = connecting.NoPassphraseError.code
    assert ask(lines, "connect", "bitmart").code == 0
    monkeypatch.delenv("OMS_PASSPHRASE_FILE")
    for arguments in (("connect", "bitmart", "--account", "second"), ("up", "--venue", "bitmart")):
        assert ask(lines, *arguments).error["code"] == passphrase
    monkeypatch.setenv("OMS_PASSPHRASE_FILE", "/dev/null")
    assert ask(lines, "up", "--venue", "bitmart").error["code"] == passphrase


@pytest.mark.postgres
def test_s58_a_key_that_opens_nothing_any_more_stops_the_start_at_once(
    ask: Oms, exchange: Urls, home: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (login,) = exchange.accounts
    fields = {"key": Secret(login.key), "secret": Secret(login.secret + "0"), "memo": Secret(login.memo)}
    at = datetime(2026, 11, 25, tzinfo=UTC)
    Vault(home / "vault").put(
        Secret("correct horse"), venue="bitmart", account=AccountId("old"), fields=fields, may={}, connected_at=at
    )
    monkeypatch.setenv("OMS_DATABASE_URL", database)
    monkeypatch.setenv("OMS__GATEWAY__PORT", "0")
    done = ask((), "up", "--venue", "bitmart")
    assert (done.code, done.error["code"]) == (1, "wrong_secret_or_memo")
    assert "account old" in done.error["cause"]


@pytest.mark.parametrize("arguments", [("connect",), ("connect", "mtgox"), ("connect", "bitmart", "--account", "a/b")])
def test_what_cannot_be_meant_is_a_usage_error(oms: Oms, arguments: tuple[str, ...]) -> None:
    assert oms(*arguments, "--json").code == 2


def test_the_keyring_is_asked_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring, errors = ModuleType("keyring"), ModuleType("keyring.errors")
    asked: list[tuple[str, str]] = []

    def get_password(service: str, name: str) -> str:
        asked.append((service, name))
        return "from the keyring"

    vars(keyring)["get_password"] = get_password
    vars(errors)["KeyringError"] = RuntimeError
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    assert connecting._passphrase(Config(), new=False).reveal() == Secret("from the keyring").reveal()
    assert asked == [("oms", "vault")]


def test_s61_a_connected_account_is_archived_and_checked_without_the_venue(
    ask: Oms, exchange: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (login,) = exchange.accounts
    assert ask((login.key, login.secret, login.memo), "connect", "bitmart", "--account", "alpha").code == 0
    folder = str(tmp_path / "archive")
    made = ask((), "archive", "bitmart", "--out", folder, "--since", "2026-11-01T00:00:00Z", "--market", "spot")
    assert (made.code, made.json["account"], made.json["whole"]) == (0, "alpha", True)
    assert made.json["counts"]["standing"] > 0
    assert ask((), "archive", "bitmart", "--out", folder).error["code"] == "archive"  # never over another one
    for name in ("OMS_BITMART_SPOT_URL", "OMS_BITMART_FUTURES_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # dark
    checked = ask((), "archive", "verify", folder, "--head", made.json["head"])
    assert (checked.code, checked.json["intact"]) == (0, True)
    pages = Path(folder) / "pages.jsonl"
    pages.write_bytes(pages.read_bytes().replace(b"USDT", b"USDC", 1))
    assert ask((), "archive", "verify", folder).code == 1


def test_an_account_that_is_not_connected_is_not_archived(ask: Oms, tmp_path: Path) -> None:
    for arguments in ((), ("--account", "nobody")):
        done = ask((), "archive", "bitmart", "--out", str(tmp_path / "a"), *arguments)
        assert (done.code, done.error["code"]) == (1, "not_connected")
