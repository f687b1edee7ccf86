"""Every value has one origin, secrets hide, and what nobody knows is refused with the nearest name."""

from pathlib import Path

import pytest

from oms.config import ConfigError, load


def origin_of(key: str, environment: dict[str, str], file: Path | None = None) -> tuple[object, str]:
    return next((value, origin) for name, value, origin in load(environment, file).rows() if name == key)


def test_defaults_stand_where_nothing_is_set() -> None:
    assert origin_of("gateway.port", {}) == (8700, "default")


def test_the_file_overlays_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[gateway]\nport = 9000\n")
    assert origin_of("gateway.port", {"OMS_HOME": str(tmp_path)}) == (9000, str(tmp_path / "config.toml"))


def test_the_environment_overlays_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[gateway]\nport = 9000\n")
    environment = {"OMS_HOME": str(tmp_path), "OMS__GATEWAY__PORT": "9001"}
    assert origin_of("gateway.port", environment) == (9001, "environment OMS__GATEWAY__PORT")


def test_a_plain_name_overlays_everything() -> None:
    environment = {"OMS__BITMART__SPOT_URL": "http://a", "OMS_BITMART_SPOT_URL": "http://b"}
    assert origin_of("bitmart.spot_url", environment) == ("http://b", "environment OMS_BITMART_SPOT_URL")


def test_a_file_that_is_named_replaces_the_one_at_home(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[gateway]\nport = 9000\n")
    other = tmp_path / "other.toml"
    other.write_text("[limits]\nopen_orders_max = 3\n")
    assert origin_of("gateway.port", {"OMS_HOME": str(tmp_path)}, other) == (8700, "default")
    assert origin_of("limits.open_orders_max", {"OMS_HOME": str(tmp_path)}, other) == (3, str(other))


def test_a_money_limit_is_exact() -> None:
    config = load({"OMS__LIMITS__ORDER_NOTIONAL_MAX": "0.1000000000000000000000000001"}).config
    assert str(config.limits.order_notional_max) == "0.1000000000000000000000000001"


def test_the_least_span_of_the_dead_man_and_none_are_taken() -> None:
    assert load({"OMS__DEAD_MAN__SECONDS": "5"}).config.dead_man.seconds == 5
    assert load({"OMS__DEAD_MAN__SECONDS": "0"}).config.dead_man.seconds == 0


def test_a_password_is_in_no_repr_and_in_no_row() -> None:
    loaded = load({"OMS_DATABASE_URL": "postgresql://user:hunter2@host/db"})
    assert loaded.config.database.url.reveal().endswith("hunter2@host/db")
    assert "hunter2" not in repr(loaded) + str(list(loaded.rows()))


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"OMS__GATEWAY__PROT": "1"}, ("gateway.prot", "gateway.port")),
        ({"OMS__GATEWEY__PORT": "1"}, ("gatewey.port", "gateway.port")),
        ({"OMS__GATEWAY__PORT": "x"}, ("gateway.port", "OMS__GATEWAY__PORT")),
        ({"OMS__DEAD_MAN__SECONDS": "4"}, ("dead_man: 4 seconds are too few: 5",)),
        ({"OMS__START__VENUE_SECONDS": "-1"}, ("start.venue_seconds", "OMS__START__VENUE_SECONDS")),
    ],
)
def test_what_does_not_fit_is_refused_by_name(environment: dict[str, str], words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as refused:
        load(environment)
    for word in words:
        assert word in f"{refused.value.cause} {refused.value.advice}"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('order_notional_max = "NaN"', "order_notional_max is NaN: an amount above 0 is expected"),
        ('order_notional_max = "-1"', "order_notional_max is -1"),
        ('order_notional_max = "0"', "order_notional_max is 0"),
        ('order_notional_max = "1e999999"', "order_notional_max is 1E+999999"),
        ("open_orders_max = -1", "limits.open_orders_max"),
        ('leverage_max = "NaN"', "leverage_max is NaN: a number from 1 upward"),
        ('leverage_max = "0.5"', "leverage_max is 0.5"),
        ('strategy_loss_max = {operator = "NaN"}', "strategy_loss_max of operator is NaN: an amount from 0 upward"),
        ('strategy_loss_max = {operator = "-1"}', "strategy_loss_max of operator is -1"),
        ('position_max = {"BTC/USDT:USDT" = "Infinity"}', "position_max of BTC/USDT:USDT is Infinity"),
        ('position_max = {"BTC/USDT:USDT" = "-1"}', "position_max of BTC/USDT:USDT is -1"),
        ('collar = {"BTC/USDT" = "NaN"}', "collar of BTC/USDT is NaN: a fraction from 0 and below 1"),
        ('collar = {"BTC/USDT" = "-0.02"}', "collar of BTC/USDT is -0.02"),
        ('collar = {"BTC/USDT" = "2"}', "collar of BTC/USDT is 2"),
    ],
)
def test_a_limit_that_nothing_can_be_held_against_is_refused(tmp_path: Path, line: str, words: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"[limits]\n{line}\n")
    with pytest.raises(ConfigError) as refused:
        load({}, file)
    assert words in refused.value.cause
    assert "config show --origin" in refused.value.advice


def test_a_limit_may_be_so_narrow_that_nothing_passes() -> None:
    limits = load({"OMS__LIMITS__OPEN_ORDERS_MAX": "0", "OMS__LIMITS__LEVERAGE_MAX": "1"}).config.limits
    assert (limits.open_orders_max, limits.leverage_max) == (0, 1)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"OMS__BREAKS__BLOCK_KINDS": "positon"}, "positon"),
        ({"OMS__BREAKS__BLOCK_KINDS": "position;history"}, "position;history"),
        ({"OMS__BREAKS__BLOCK_ABOVE": "NaN"}, "block_above is NaN"),
        ({"OMS__BREAKS__BLOCK_ABOVE": "-1"}, "block_above is -1"),
        ({"OMS__GATEWAY__WAIT_SECONDS": "nan"}, "gateway.wait_seconds"),
        ({"OMS__GATEWAY__PORT": "-1"}, "gateway.port"),
        ({"OMS__GATEWAY__STREAMS_MAX": "-1"}, "gateway.streams_max"),
    ],
)
def test_a_bound_that_nobody_can_mean_is_refused(environment: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(environment)
    assert words in refused.value.cause


@pytest.mark.parametrize("kinds", ["", "balance, order", "position,", "history,protection"])
def test_kinds_of_breaks_are_taken_by_their_names(kinds: str) -> None:
    assert load({"OMS__BREAKS__BLOCK_KINDS": kinds}).config.breaks.block_kinds == kinds


@pytest.mark.parametrize(
    "text",
    ["[gateway\n", "[gateway]\nprot = 1\n", 'home = "/x"\n', "gateway = 3\n", "[gateway]\nport = [1]\n"],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"config\.toml"):
        load({}, file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load({}, tmp_path / "none.toml")
