"""The vault: API keys at rest. Every field is encrypted by itself, under a key that a passphrase alone makes.

scrypt turns the passphrase into the key; AES-256-GCM encrypts with a nonce of its own each time. What a ciphertext
belongs to (venue, account, field) is bound to it as associated data, so that one that is moved to another place is
found out like one that was changed. The parameters of scrypt stand beside, in the open; they are no secret.
"""

import os
import secrets  # noqa: TID251  # a key must not come from a seed, so it does not enter through the Ids port
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from msgspec import Struct
from msgspec.structs import replace

from oms.config import Secret
from oms.errors import OmsError
from oms.values import AccountId

FILE: Final = "vault.json"
VERSION: Final = 1
SALT_BYTES: Final = 16
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
COST: Final = 2**17  # scrypt's n: with r = 8 it takes 128 MiB and about half a second, for us and for each guess
COST_MAX: Final = 2**20  # a file that asks for more was not written here: it would only exhaust the machine
BLOCK: Final = 8
FILE_MAX: Final = 1 << 20  # bytes; an account takes about a thousand

Keys = Mapping[AccountId, Mapping[str, Secret]]  # by account, by the name of the field


class VaultError(OmsError):
    """The vault cannot be read or written."""

    code = "vault"
    next_step = "see the cause; connecting the account again writes a new entry"


class WrongPassphraseError(VaultError):
    """The passphrase does not open this vault."""

    code = "wrong_passphrase"
    next_step = "try again; without the passphrase the keys are lost: remove the vault's file and connect again"


class TamperedError(VaultError):
    """The vault holds something that was not written there."""

    code = "vault_tampered"
    next_step = "revoke the key at the venue, remove the entry (oms connect --remove), and connect with a new key"


class NotConnectedError(VaultError):
    """The vault has no such account."""

    code = "not_connected"
    next_step = "see oms connect --list; connect with: oms connect bitmart --account NAME"


class Sealed(Struct, frozen=True):
    """One field, encrypted; the tag that proves it is part of it."""

    nonce: bytes
    sealed: bytes


class Derivation(Struct, frozen=True):
    """How the key follows from the passphrase: scrypt's parameters (RFC 7914)."""

    salt: bytes
    n: int
    r: int
    p: int


class Entry(Struct, frozen=True, kw_only=True):
    """One connected account. `may` is what its key was found to be allowed to do when it was connected."""

    venue: str
    account: AccountId
    fields: Mapping[str, Sealed]
    may: Mapping[str, str]
    connected_at: datetime


class Contents(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file. `check` is a field that the right passphrase opens: so a wrong one is told from tampering."""

    version: int
    scrypt: Derivation
    check: Sealed
    entries: tuple[Entry, ...] = ()


class Vault:
    """The vault in `folder`, which is made private to its owner with the first entry. Blocks: scrypt and the disk."""

    def __init__(self, folder: Path, *, cost: int = COST) -> None:
        self.file = folder / FILE
        self._cost = cost

    def entries(self) -> Sequence[Entry]:
        """Return every connected account, in order of venue and name; needs no passphrase. Raises VaultError."""
        contents = self._read()
        return () if contents is None else contents.entries

    def put(
        self,
        passphrase: Secret,
        *,
        venue: str,
        account: AccountId,
        fields: Mapping[str, Secret],
        may: Mapping[str, str],
        connected_at: datetime,
    ) -> None:
        """Keep an account's fields, over an earlier entry of the same name.

        Raises:
            WrongPassphraseError: the vault was made with another passphrase.
            VaultError: it cannot be read or written.
        """
        contents = self._read()
        if contents is None:
            scrypt = Derivation(secrets.token_bytes(SALT_BYTES), self._cost, BLOCK, 1)
            cipher = AESGCM(_key(passphrase, scrypt))
            contents = Contents(version=VERSION, scrypt=scrypt, check=_seal(cipher, "", "", "check", b""))
        else:
            cipher = self._opened(passphrase, contents)
        entry = Entry(
            venue=venue,
            account=account,
            fields={
                name: _seal(cipher, venue, account, name, secret.reveal().encode()) for name, secret in fields.items()
            },
            may=may,
            connected_at=connected_at,
        )
        others = [each for each in contents.entries if (each.venue, each.account) != (venue, account)]
        ordered = sorted([*others, entry], key=lambda each: (each.venue, each.account))
        self._write(replace(contents, entries=tuple(ordered)))

    def keys(self, passphrase: Secret, venue: str) -> Keys:
        """Return the fields of every account of `venue`.

        Raises:
            WrongPassphraseError: the passphrase is another one.
            TamperedError: a field is not what was written there, or not in its place.
            VaultError: the file cannot be read.
        """
        contents = self._read()
        if contents is None:
            return {}
        cipher = self._opened(passphrase, contents)
        return {
            entry.account: {
                name: Secret(_open(cipher, entry.venue, entry.account, name, sealed).decode())
                for name, sealed in entry.fields.items()
            }
            for entry in contents.entries
            if entry.venue == venue
        }

    def remove(self, venue: str, account: AccountId) -> None:
        """Forget an account; needs no passphrase, as deleting the file needs none.

        Raises:
            NotConnectedError: there is none of that name.
            VaultError: the file cannot be read or written.
        """
        contents = self._read()
        entries = () if contents is None else contents.entries
        left = tuple(entry for entry in entries if (entry.venue, entry.account) != (venue, account))
        if contents is None or len(left) == len(entries):
            raise NotConnectedError(f"no account {account!r} of {venue} is connected")
        self._write(replace(contents, entries=left))

    # ------------------------------------------------------------------------------------------------ inside

    def _opened(self, passphrase: Secret, contents: Contents) -> AESGCM:
        cipher = AESGCM(_key(passphrase, contents.scrypt))
        try:
            cipher.decrypt(contents.check.nonce, contents.check.sealed, _place("", "", "check"))
        except (InvalidTag, ValueError) as error:
            raise WrongPassphraseError(f"the passphrase does not open {self.file}") from error
        return cipher

    def _read(self) -> Contents | None:
        try:
            if self.file.stat().st_size > FILE_MAX:
                raise TamperedError(f"{self.file} is larger than any vault")
            body = self.file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise VaultError(f"{self.file} cannot be read: {error.strerror}") from error
        try:
            contents = msgspec.json.decode(body, type=Contents)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise TamperedError(f"{self.file} is not a vault: {error}") from error
        scrypt = contents.scrypt
        power_of_two = scrypt.n > 1 and scrypt.n & (scrypt.n - 1) == 0
        if contents.version != VERSION or not power_of_two or scrypt.n > COST_MAX or (scrypt.r, scrypt.p) != (BLOCK, 1):
            raise TamperedError(f"{self.file} asks for parameters that this program never wrote")
        return contents

    def _write(self, contents: Contents) -> None:
        """Write beside, make it durable, and rename: never readable by others, never half-written."""
        fresh = self.file.with_suffix(".new")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.parent.chmod(0o700)
            with suppress(FileNotFoundError):
                fresh.unlink()
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
                opened.write(msgspec.json.encode(contents))
                opened.flush()
                os.fsync(opened.fileno())
            fresh.replace(self.file)
        except OSError as error:
            raise VaultError(f"{self.file} cannot be written: {error.strerror}") from error


def _key(passphrase: Secret, scrypt: Derivation) -> bytes:
    return Scrypt(salt=scrypt.salt, length=KEY_BYTES, n=scrypt.n, r=scrypt.r, p=scrypt.p).derive(
        passphrase.reveal().encode()
    )


def _place(venue: str, account: str, field: str) -> bytes:
    """Return what a ciphertext is bound to; as JSON, so that no two places are spelled alike."""
    return msgspec.json.encode(("oms vault", VERSION, venue, account, field))


def _seal(cipher: AESGCM, venue: str, account: str, field: str, text: bytes) -> Sealed:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return Sealed(nonce, cipher.encrypt(nonce, text, _place(venue, account, field)))


def _open(cipher: AESGCM, venue: str, account: str, field: str, sealed: Sealed) -> bytes:
    try:
        return cipher.decrypt(sealed.nonce, sealed.sealed, _place(venue, account, field))
    except (InvalidTag, ValueError) as error:
        raise TamperedError(f"the {field} of {venue} account {account} is not what was stored there") from error
