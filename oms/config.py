"""One Config: defaults, under a TOML file, under the environment. Every value knows where it came from.

The file is OMS_HOME/config.toml, or the one that is named; ``OMS__SECTION__KEY`` overlays any key of it, and a few
variables with plain names overlay those. Secrets hide from repr and from every printout.
"""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal, get_origin

import msgspec
from msgspec import Meta, Struct, field

from oms.breaks.state import Policy
from oms.errors import OmsError
from oms.gateway.settings import Settings
from oms.protection import Protected
from oms.risk import Limits
from oms.winddown import WindDown

PREFIX: Final = "OMS__"
FILE: Final = "config.toml"  # under the home

# Variables with a plain name, and the key each one sets.
NAMED: Final[Mapping[str, str]] = {
    "OMS_DATABASE_URL": "database.url",
    "OMS_BITMART_SPOT_URL": "bitmart.spot_url",
    "OMS_BITMART_FUTURES_URL": "bitmart.futures_url",
    "OMS_BITMART_SPOT_WS_URL": "bitmart.spot_ws_url",
    "OMS_BITMART_FUTURES_WS_URL": "bitmart.futures_ws_url",
    "OMS_PASSPHRASE_FILE": "vault.passphrase_file",
}

DEAD_MAN_SECONDS_MIN: Final = 5  # BitMart takes no less (PROTOCOL 6.4)

Seconds = Annotated[float, Meta(gt=0, le=3_600)]


class ConfigError(OmsError):
    """The configuration cannot be used as it is written."""

    code = "config"
    next_step = "correct it; `oms config show --origin` shows every value and where it comes from"


class Secret:
    """Text that shows itself only to who asks for it by name."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "Secret(***)" if self._text else "Secret()"


class Database(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`url` names a PostgreSQL of your own; empty, an embedded one runs under the home."""

    url: Secret = Secret("")


class Bitmart(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """BitMart's addresses; the WebSocket ones end before ``/api`` and ``/user`` (PROTOCOL 1).

    `submit_window_ms` above zero: the venue refuses a spot order that reaches it later than that, which costs the
    certainty of its other refusals (`docs/decisions.md`). `self_trade` is what spot does when the account meets itself.
    `fees_of` names the markets whose own fees are asked for, twenty of each kind; the others carry the account's usual
    ones, which size what an order holds: what a fill cost, its trade says. `callers` is how many processes
    call BitMart from this machine's address, this one among them: each keeps to its part of what is counted by address.
    """

    spot_url: str = "https://api-cloud.bitmart.com"
    futures_url: str = "https://api-cloud-v2.bitmart.com"
    spot_ws_url: str = "wss://ws-manager-compress.bitmart.com"
    futures_ws_url: str = "wss://openapi-ws-v2.bitmart.com"
    submit_window_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0
    fees_of: tuple[str, ...] = ()
    callers: Annotated[int, Meta(ge=1, le=10)] = 1
    self_trade: Literal["none", "cancel_maker", "cancel_taker", "cancel_both"] = "none"


class Simulated(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The simulated exchange: `url` is one that runs already (its ``sim_url``); empty, `oms up` starts one inside."""

    url: str = ""
    seed: int = 1


class VaultSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The vault of API keys: `passphrase_file` holds its passphrase; empty, the keyring or a person is asked."""

    passphrase_file: str = ""


class DeadMan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """After how many seconds of our silence a venue that can do so cancels the open orders of a market; 0: never."""

    seconds: Annotated[int, Meta(ge=0, le=3_600)] = 0

    def wrong(self) -> str | None:
        """Return what is wrong with it, if anything is."""
        if 0 < self.seconds < DEAD_MAN_SECONDS_MIN:
            return f"{self.seconds} seconds are too few: {DEAD_MAN_SECONDS_MIN} is the least, and 0 turns it off"
        return None


class MarketDataSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`follow` names the markets whose book, ticker and trades are followed from the start; others are while somebody
    subscribes to them.
    """

    follow: tuple[str, ...] = ()


class Start(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long starting waits for the venue, in seconds."""

    venue_seconds: Seconds = 60.0


class Stop(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long stopping waits for answers that are under way, in seconds."""

    drain_seconds: Seconds = 10.0


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set."""

    home: Path = Path()
    database: Database = field(default_factory=Database)
    gateway: Settings = field(default_factory=Settings)
    bitmart: Bitmart = field(default_factory=Bitmart)
    simulator: Simulated = field(default_factory=Simulated)
    vault: VaultSettings = field(default_factory=VaultSettings)
    limits: Limits = field(default_factory=Limits)
    breaks: Policy = field(default_factory=Policy)
    protection: Protected = field(default_factory=Protected)
    dead_man: DeadMan = field(default_factory=DeadMan)
    wind_down: WindDown = field(default_factory=WindDown)
    market_data: MarketDataSettings = field(default_factory=MarketDataSettings)
    start: Start = field(default_factory=Start)
    stop: Stop = field(default_factory=Stop)


class Loaded(Struct, frozen=True):
    """A Config and, by dotted key, where each value that is not a default came from."""

    config: Config
    origins: Mapping[str, str]

    def rows(self) -> Iterator[tuple[str, object, str]]:
        """Yield (key, value, origin) in order, secrets masked."""
        for name in Config.__struct_fields__:
            value = getattr(self.config, name)
            inner = value.__struct_fields__ if isinstance(value, Struct) else ()
            for part in inner:
                key = f"{name}.{part}"
                yield key, _shown(getattr(value, part)), self.origins.get(key, "default")
            if not inner:
                yield name, _shown(value), self.origins.get(name, "default")


def default_home(environment: Mapping[str, str]) -> Path:
    """Return the platform's folder for a user's data, ours within."""
    base = environment.get("XDG_DATA_HOME")
    if base:
        return Path(base) / "oms"
    if os.uname().sysname == "Darwin":
        return Path("~/Library/Application Support/oms").expanduser()
    return Path("~/.local/share/oms").expanduser()


def load(environment: Mapping[str, str], file: Path | None = None) -> Loaded:
    """Read the configuration.

    Raises:
        ConfigError: a file that is missing or not TOML, a key nobody knows, a value that does not fit.
    """
    values: dict[str, object] = {}
    origins: dict[str, str] = {}

    def put(key: str, value: object, origin: str) -> None:
        _check_known(key, origin)
        values[key], origins[key] = value, origin

    put("home", str(default_home(environment)), "default")
    home = environment.get("OMS_HOME") or environment.get(f"{PREFIX}HOME")
    if home:
        put("home", home, "environment OMS_HOME")
    path = file or Path(str(values["home"])).expanduser() / FILE
    if file is not None or path.exists():
        for key, value in _flat(_toml(path)):
            if key == "home":
                raise ConfigError(f"{path} sets home, which says where {FILE} is", next_step="set OMS_HOME instead")
            put(key, value, str(path))
    for name, value in sorted(environment.items()):
        if name.startswith(PREFIX) and name != f"{PREFIX}HOME":
            put(name.removeprefix(PREFIX).lower().replace("__", "."), value, f"environment {name}")
    for name, key in NAMED.items():
        if environment.get(name):
            put(key, environment[name], f"environment {name}")
    config = _convert(values, origins)
    return Loaded(msgspec.structs.replace(config, home=config.home.expanduser().absolute()), origins)


def _toml(path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"the configuration file cannot be read: {error}", next_step="correct --config, or leave it out"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", next_step="correct the file") from error


def _flat(table: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            for key, inner in value.items():
                yield f"{name}.{key}", inner
        else:
            yield name, value


def _sections() -> Iterator[tuple[str, type[Struct]]]:
    """Yield ("", Config), then every section's name and type."""
    yield "", Config
    for outer in msgspec.structs.fields(Config):
        if isinstance(outer.type, type) and issubclass(outer.type, Struct):
            yield outer.name, outer.type


TYPES: Final[Mapping[str, type]] = {
    f"{section}.{each.name}" if section else each.name: each.type
    for section, struct in _sections()
    for each in msgspec.structs.fields(struct)
    if section or each.name not in dict(_sections())
}


def _check_known(key: str, origin: str) -> None:
    if key not in TYPES:
        nearest = difflib.get_close_matches(key, TYPES, n=1, cutoff=0.0)
        raise ConfigError(f"{origin} sets {key!r}, which is no key", next_step=f"did you mean {nearest[0]!r}?")


def _convert(values: Mapping[str, object], origins: Mapping[str, str]) -> Config:
    """Build the Config, value by value, so that one that does not fit is named with its origin."""
    fitted: dict[str, dict[str, object]] = {section: {} for section, _ in _sections()}
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        try:
            fitted[section][name] = msgspec.convert(
                _listed(value, TYPES[key]), TYPES[key], strict=False, dec_hook=_decode
            )
        except msgspec.ValidationError as error:
            raise ConfigError(f"{key} from {origins[key]} does not fit: {error}") from error
    outer = fitted.pop("")
    sections = {name: struct(**fitted[name]) for name, struct in _sections() if name}
    for name in ("limits", "breaks", "dead_man", "wind_down"):
        wrong = sections[name].wrong()  # type: ignore[attr-defined]  # the sections' own types
        if wrong is not None:
            raise ConfigError(f"{name}: {wrong}")
    return Config(**outer, **sections)  # type: ignore[arg-type]  # each was converted to its field's type


def _listed(value: object, kind: type) -> object:
    """Return a list that came as text, as from the environment, taken apart at its commas."""
    if not isinstance(value, str) or get_origin(kind) is not tuple:
        return value
    return [part.strip() for part in value.split(",") if part.strip()]


def _decode(wanted: type, value: object) -> object:
    if not isinstance(value, str):
        raise TypeError("text is expected")
    if wanted is Secret or wanted is Path:
        return wanted(value)
    raise NotImplementedError(f"no {wanted} is made from text")


def _shown(value: object) -> object:
    match value:
        case Secret():
            return "***" if value else ""
        case Path() | Decimal() | datetime():
            return str(value)
        case _:
            return value
