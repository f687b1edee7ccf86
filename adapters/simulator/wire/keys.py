"""API keys: who may call, and what a right signature is (PROTOCOL 2)."""

import hmac
from enum import StrEnum
from hashlib import sha256
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

STALE_MS: Final = 60_000
FAST_CLOCK_MS: Final = 1_000
WINDOW_DEFAULT_MS: Final = 5_000


class Permission(StrEnum):
    """What a key may be made for (PROTOCOL 2.1); every key reads."""

    READ = "read"
    SPOT_TRADE = "spot_trade"
    FUTURES_TRADE = "futures_trade"
    WITHDRAW = "withdraw"


TRADER: Final = frozenset({Permission.READ, Permission.SPOT_TRADE, Permission.FUTURES_TRADE})


class KeyState(StrEnum):
    """Whether the venue still takes a key."""

    ACTIVE = "active"
    FROZEN = "frozen"
    EXPIRED = "expired"


class Credentials(Struct, frozen=True, kw_only=True):
    """One key of one account, and what it was made for. Simulation only: they open nothing else.

    `ips`: the addresses that it may be used from; none: any.
    """

    account: str
    key: str
    secret: str
    memo: str
    permissions: frozenset[Permission] = TRADER
    ips: frozenset[str] = frozenset()
    state: KeyState = KeyState.ACTIVE

    def may(self, permission: Permission) -> bool:
        return permission is Permission.READ or permission in self.permissions

    def usable_from(self, ip: str) -> bool:
        return not self.ips or ip in self.ips


class Keys:
    """Every key the venue knows."""

    def __init__(self) -> None:
        self._keys: dict[str, Credentials] = {}

    def add(self, credentials: Credentials) -> None:
        """Make the key known. Raises ValueError for one that is empty or taken."""
        if not credentials.key or credentials.key in self._keys:
            raise ValueError("the key is empty or taken")
        self._keys[credentials.key] = credentials

    def find(self, key: str) -> Credentials | None:
        return self._keys.get(key)

    def change(
        self,
        key: str,
        *,
        permissions: frozenset[Permission] | None = None,
        ips: frozenset[str] | None = None,
        state: KeyState | None = None,
    ) -> Credentials:
        """Change what a key is good for, from now on; None leaves it. Raises ValueError for a key nobody has."""
        known = self._keys.get(key)
        if known is None:
            raise ValueError("no account has that key")
        changed = replace(
            known,
            permissions=known.permissions if permissions is None else permissions,
            ips=known.ips if ips is None else ips,
            state=known.state if state is None else state,
        )
        self._keys[key] = changed
        return changed


def signature(credentials: Credentials, timestamp: str, payload: bytes) -> str:
    """Return the lower-case hex HMAC-SHA256 over ``timestamp#memo#payload``, the payload's bytes as they are."""
    message = f"{timestamp}#{credentials.memo}#".encode() + payload
    return hmac.digest(credentials.secret.encode(), message, "sha256").hex()


def signed_by(credentials: Credentials, timestamp: str, payload: bytes, sign: str) -> bool:
    """Say whether `sign` is the signature, in constant time."""
    return hmac.compare_digest(signature(credentials, timestamp, payload).encode(), sign.encode(errors="replace"))


def demo_credentials(account: str, seed: int) -> Credentials:
    """Make up credentials that are always the same for a seed; they are for the simulator and no secret."""

    def text(what: str) -> str:
        return sha256(f"simulator/{seed}/{account}/{what}".encode()).hexdigest()

    return Credentials(account=account, key=text("key")[:40], secret=text("secret"), memo=f"{account}{seed}")
