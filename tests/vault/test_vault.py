"""Keys at rest: what opens them, what does not, and what a person with an editor can and cannot do."""

import json
import stat
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from oms.config import Secret
from oms.values import AccountId
from oms.vault import NotConnectedError, TamperedError, Vault, WrongPassphraseError

RIGHT, WRONG = Secret("correct horse"), Secret("correct house")
FIELDS = {"key": Secret("public-part"), "secret": Secret("hush-hush"), "memo": Secret("Änderung")}
AT = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault", cost=2**4)  # what a guess costs is no part of these stories


def put(vault: Vault, account: str = "main", passphrase: Secret = RIGHT, **fields: Secret) -> None:
    kept = {**FIELDS, **fields}
    vault.put(
        passphrase, venue="bitmart", account=AccountId(account), fields=kept, may={"spot_read": "yes"}, connected_at=AT
    )


def revealed(vault: Vault, passphrase: Secret = RIGHT) -> dict[str, dict[str, str]]:
    keys = vault.keys(passphrase, "bitmart")
    return {account: {name: field.reveal() for name, field in fields.items()} for account, fields in keys.items()}


def edit(vault: Vault, change: Callable[[Any], None]) -> None:
    """What somebody does to the file who has no passphrase."""
    contents = json.loads(vault.file.read_text())
    change(contents)
    vault.file.write_text(json.dumps(contents))


def test_what_was_put_in_comes_out_and_only_with_the_passphrase(vault: Vault) -> None:
    assert vault.keys(WRONG, "bitmart") == {}  # nothing is there that a passphrase could be wrong for
    put(vault)
    assert revealed(vault) == {"main": {"key": "public-part", "secret": "hush-hush", "memo": "Änderung"}}
    with pytest.raises(WrongPassphraseError):
        vault.keys(WRONG, "bitmart")
    with pytest.raises(WrongPassphraseError):
        put(vault, "second", WRONG)
    assert [entry.account for entry in vault.entries()] == ["main"]


def test_the_file_shows_no_secret_and_is_its_owners_alone(vault: Vault) -> None:
    put(vault)
    body = vault.file.read_bytes()
    for field in FIELDS.values():
        assert field.reveal().encode() not in body
        assert b64encode(field.reveal().encode()) not in body
    assert stat.S_IMODE(vault.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(vault.file.parent.stat().st_mode) == 0o700
    assert [each.name for each in vault.file.parent.iterdir()] == [vault.file.name]


def test_the_same_secret_twice_looks_different(vault: Vault) -> None:
    put(vault)
    first = vault.entries()[0].fields["secret"]
    put(vault)
    assert vault.entries()[0].fields["secret"].sealed != first.sealed
    assert len(vault.entries()) == 1


def _turn(text: str) -> str:
    changed = bytearray(b64decode(text))
    changed[0] ^= 1
    return b64encode(changed).decode()


@pytest.mark.parametrize("part", ["nonce", "sealed"])
def test_one_changed_bit_is_told_with_its_place(vault: Vault, part: str) -> None:
    put(vault)

    def change(contents: Any) -> None:
        field = contents["entries"][0]["fields"]["secret"]
        field[part] = _turn(field[part])

    edit(vault, change)
    with pytest.raises(TamperedError, match="the secret of bitmart account main"):
        vault.keys(RIGHT, "bitmart")


def test_a_ciphertext_opens_in_its_own_place_only(vault: Vault) -> None:
    put(vault)
    put(vault, "second", secret=Secret("another"))

    def swap_accounts(contents: Any) -> None:
        first, second = (entry["fields"] for entry in contents["entries"])
        first["secret"], second["secret"] = second["secret"], first["secret"]

    def swap_fields(contents: Any) -> None:
        fields = contents["entries"][0]["fields"]
        fields["secret"], fields["memo"] = fields["memo"], fields["secret"]

    def rename(contents: Any) -> None:
        contents["entries"][1]["account"] = "main2"

    for move in (swap_accounts, swap_fields, rename):
        before = vault.file.read_text()
        edit(vault, move)
        with pytest.raises(TamperedError):
            vault.keys(RIGHT, "bitmart")
        vault.file.write_text(before)


@pytest.mark.parametrize("changed", [{"n": 2**40}, {"n": 3}, {"r": 10**6}, {"p": 9}])
def test_parameters_that_would_exhaust_the_machine_are_not_tried(vault: Vault, changed: dict[str, int]) -> None:
    put(vault)
    edit(vault, lambda contents: contents["scrypt"].update(changed))
    with pytest.raises(TamperedError):
        vault.keys(RIGHT, "bitmart")


@pytest.mark.parametrize("body", ["", "{}", "[1]", "\xff"])
def test_a_file_that_is_no_vault_is_called_so(vault: Vault, body: str) -> None:
    put(vault)
    vault.file.write_bytes(body.encode("latin-1"))
    with pytest.raises(TamperedError):
        vault.entries()


def test_an_account_is_forgotten_without_a_passphrase(vault: Vault) -> None:
    put(vault)
    put(vault, "second")
    vault.remove("bitmart", AccountId("main"))
    assert list(revealed(vault)) == ["second"]
    with pytest.raises(NotConnectedError):
        vault.remove("bitmart", AccountId("main"))


def test_a_secret_hides_from_every_repr(vault: Vault) -> None:
    put(vault)
    assert "hush" not in repr(vault.keys(RIGHT, "bitmart"))
