"""`oms connect`: API keys, asked for, checked with the venue, and kept encrypted. Never on the command line."""

import asyncio
import getpass
import importlib
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from oms.cli.config import ConfigFile, configured
from oms.cli.output import AsJson, Output
from oms.cli.parts import KeyReport, Parts
from oms.config import Config, Secret
from oms.connected import VenueName, World
from oms.errors import OmsError
from oms.runtime import SystemClock, Tasks, TimeOrderedIds
from oms.values import AccountId
from oms.vault import Entry, Keys, Vault
from oms.venue import NoAnswerError

BITMART: Final = "bitmart"
FIELDS: Final = ("key", "secret", "memo")
PERMISSIONS: Final = ("spot_read", "spot_trade", "futures_read", "futures_trade", "withdraw")
FOLDER: Final = "vault"  # under the home
KEYRING: Final = ("oms", "vault")  # the service and the name that a keyring knows the passphrase under
ACCOUNT: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
FIELD_MAX: Final = 512  # characters
PASSPHRASE_MIN: Final = 8  # characters


class Connectable(StrEnum):
    """Venues whose accounts can be connected."""

    BITMART = BITMART


class InputError(OmsError):
    """What was typed, or read, cannot be a key."""

    code = "key_input"
    next_step = "give three lines: key, secret, memo; on a terminal you are asked for each"


class NoPassphraseError(OmsError):
    """Nothing says the vault's passphrase."""

    code = "no_passphrase"
    next_step = (
        "name a file that holds it: OMS_PASSPHRASE_FILE; or keep it in the OS keyring (pip install keyring, then: "
        "keyring set oms vault); or run on a terminal"
    )


class MayWithdrawError(OmsError):
    """The key may take money out, which no OMS needs."""

    code = "may_withdraw"
    next_step = "make a key without the permission to withdraw; or, if you must, connect with --force"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(connect)


def connect(
    context: typer.Context,
    venue: Annotated[Connectable | None, typer.Argument(help="The venue of the account.")] = None,
    *,
    account: Annotated[str, typer.Option(help="What you call the account here.")] = "main",
    list_: Annotated[bool, typer.Option("--list", help="List the connected accounts.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Forget the account's key.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Take a key that may withdraw.")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Connect an account: asks for key, secret and memo, checks them with a signed call, keeps them encrypted.

    Reads the three as lines from stdin where that is no terminal.
    """
    settings, output = configured(config), Output(as_json=as_json)
    vault = vault_of(settings)
    if list_:
        _list(output, vault.entries())
        return
    if venue is None and remove:
        venue = Connectable.BITMART  # the only one whose keys are kept
    if venue is None:
        raise typer.BadParameter("name the venue: oms connect bitmart")
    name = _account(account)
    if remove:
        vault.remove(venue, name)
        _say(output, {"venue": venue, "account": name, "removed": True}, f"{venue} account {name} is forgotten")
        return
    fields = _fields()
    found = asyncio.run(_checked(context.obj, settings, fields))
    may = {permission: str(getattr(found, permission)) for permission in PERMISSIONS}
    if found.withdraw == "yes" and not force:
        raise MayWithdrawError("the key may withdraw: whoever gets hold of it can empty the account")
    now = datetime.fromtimestamp(SystemClock().now_ns() // 1_000_000_000, UTC)
    passphrase = _passphrase(settings, new=not vault.file.exists())
    vault.put(passphrase, venue=venue, account=name, fields=fields, may=may, connected_at=now)
    _say(output, {"venue": venue, "account": name, "may": may}, f"{venue} account {name} is connected: {_spelled(may)}")
    if "no" in {may["spot_trade"], may["futures_trade"]}:
        output.note("where it says no, orders will be refused by the venue")


def connected_keys(config: Config, venue: VenueName) -> Keys:
    """Return the keys of every connected account of `venue`; asks for the passphrase only if there are any.

    Raises:
        VaultError, NoPassphraseError: they are there and cannot be opened.
    """
    vault = vault_of(config)
    if all(entry.venue != venue for entry in vault.entries()):
        return {}
    return vault.keys(_passphrase(config, new=False), venue)


def vault_of(config: Config) -> Vault:
    """Return the vault under the home."""
    return Vault(config.home / FOLDER)


# ---------------------------------------------------------------------------------------------------- asking


def _account(text: str) -> AccountId:
    if ACCOUNT.fullmatch(text) is None:
        raise typer.BadParameter("an account's name has 1 to 32 letters, digits, - or _")
    return AccountId(text)


def _fields() -> Mapping[str, Secret]:
    """Return key, secret and memo: typed without an echo, or three lines of stdin. Raises InputError."""
    if sys.stdin.isatty():
        lines = [getpass.getpass(f"API {name}: ") for name in FIELDS]
    else:
        lines = [sys.stdin.readline(FIELD_MAX + 2) for _ in FIELDS]
    texts = [line.strip() for line in lines]
    for name, text in zip(FIELDS, texts, strict=True):
        if not text or len(text) > FIELD_MAX or not (text.isascii() or name == "memo") or not text.isprintable():
            raise InputError(f"the {name} is empty, too long or not printable")
    return {name: Secret(text) for name, text in zip(FIELDS, texts, strict=True)}


def _passphrase(config: Config, *, new: bool) -> Secret:
    """Return the vault's passphrase: from the file that is named, the OS keyring, or whoever sits at the terminal.

    Raises:
        NoPassphraseError: none of them has it.
    """
    if config.vault.passphrase_file:
        return _from_file(Path(config.vault.passphrase_file).expanduser())
    kept = _from_keyring()
    if kept is not None:
        return kept
    if not sys.stdin.isatty():
        raise NoPassphraseError("the vault has a passphrase, and nothing here says it")
    text = getpass.getpass("A new passphrase for the vault: " if new else "The vault's passphrase: ")
    if new and len(text) < PASSPHRASE_MIN:
        raise NoPassphraseError(
            f"a passphrase has at least {PASSPHRASE_MIN} characters", next_step="choose a longer one"
        )
    if new and getpass.getpass("The same again: ") != text:
        raise NoPassphraseError("the two are not the same", next_step="try again")
    return Secret(text)


def _from_file(file: Path) -> Secret:
    try:
        text = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise NoPassphraseError(f"OMS_PASSPHRASE_FILE names {file}, which cannot be read: {error}") from error
    if not text:
        raise NoPassphraseError(f"OMS_PASSPHRASE_FILE names {file}, which is empty")
    return Secret(text)


def _from_keyring() -> Secret | None:
    """Return what the OS keyring holds, None without the optional package `keyring`, a keyring or an entry."""
    try:
        keyring = importlib.import_module("keyring")
        errors = importlib.import_module("keyring.errors")
    except ImportError:
        return None
    try:
        kept = keyring.get_password(*KEYRING)
    except errors.KeyringError:  # locked, or there is none on this machine
        return None
    return Secret(kept) if kept else None


async def _checked(parts: Parts, config: Config, fields: Mapping[str, Secret]) -> KeyReport:
    clock, tasks = SystemClock(), Tasks()
    try:
        return await parts.check_key(config, World(clock, TimeOrderedIds(clock), tasks), fields)
    except NoAnswerError as error:
        error.outcome = "none"  # whatever was asked changes nothing, and nothing is kept
        raise
    finally:
        await tasks.close()


# ---------------------------------------------------------------------------------------------------- telling


def _list(output: Output, entries: Sequence[Entry]) -> None:
    if output.as_json:
        output.document(
            [
                {"venue": entry.venue, "account": entry.account, "may": entry.may, "connected_at": entry.connected_at}
                for entry in entries
            ]
        )
        return
    output.rows(
        ("venue", "account", *(name.replace("_", " ") for name in PERMISSIONS), "connected"),
        [
            (entry.venue, entry.account, *(entry.may.get(name, "unknown") for name in PERMISSIONS), entry.connected_at)
            for entry in entries
        ],
        empty="no account is connected",
    )


def _say(output: Output, document: Mapping[str, object], sentence: str) -> None:
    if output.as_json:
        output.document(document)
    else:
        output.say(sentence)


def _spelled(may: Mapping[str, str]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {answer}" for name, answer in may.items())
