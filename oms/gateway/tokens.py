"""Strategy tokens: ``oms_<id>_<secret>``, shown once, kept as a hash, bound to a strategy, accounts and scopes."""

import asyncio
import hashlib
import hmac
import secrets  # noqa: TID251  # a secret must not come from a seed, so it does not enter through the Ids port
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

import msgspec
import psycopg
from msgspec import Struct
from psycopg.types.json import Jsonb

from oms.errors import LogUnavailableError, OmsError
from oms.gateway.allowance import PER_SECOND_MAX, UNLIMITED, TokenLimits
from oms.store.database import connect
from oms.values import ZERO, AccountId, StrategyId, Symbol, currencies

PREFIX: Final = "oms"
SECRET_BYTES: Final = 32
TOKENS_MAX: Final = 10_000  # a gateway holds all of them in memory
LOOKS_MAX: Final = 6  # at once: one begins a second while the database is silent, and takes five to fail


class Scope(StrEnum):
    """What a token may do. ADMIN may do everything, to every strategy's orders on every account.

    AUDIT_READ shows, beside READ, the bytes of pushes and polls, which may speak of other strategies' orders.
    """

    READ = "read"
    ORDERS_WRITE = "orders:write"
    ORDERS_CANCEL = "orders:cancel"
    RISK_WRITE = "risk:write"
    AUDIT_READ = "audit:read"
    ADMIN = "admin"


class Token(Struct, frozen=True, kw_only=True):
    """One token as it is kept. `digest` is the SHA-256 of the secret; no symbols means all of them."""

    token_id: str
    digest: bytes
    strategy: StrategyId
    accounts: tuple[AccountId, ...]
    scopes: tuple[Scope, ...]
    symbols: tuple[Symbol, ...] = ()
    limits: TokenLimits = UNLIMITED
    created_at: datetime | None = None
    revoked_at: datetime | None = None

    def __repr__(self) -> str:
        return f"Token({self.token_id!r}, strategy={self.strategy!r})"

    def opens_with(self, secret: str) -> bool:
        """Return whether `secret` is this token's, in a time that does not tell how much of it is right."""
        return hmac.compare_digest(digest(secret), self.digest)


class InvalidTokenError(OmsError):
    """A token cannot be made, or is not there to be revoked."""

    code = "invalid_token"
    next_step = "see `oms token --help`"


class TokenStore(Protocol):
    """Where tokens are kept, as the gateway needs it."""

    async def valid(self) -> Sequence[Token]:
        """Return every token that is not revoked. Raises LogUnavailableError."""
        ...


def digest(secret: str) -> bytes:
    """Return what is kept of a secret.

    One plain SHA-256 is right here: the secret is 256 random bits, which no list of likely ones holds, so the slow hash
    that a password needs would protect nothing and cost every request.
    """
    return hashlib.sha256(secret.encode()).digest()


def mint(
    *,
    strategy: StrategyId,
    accounts: Sequence[AccountId],
    scopes: Sequence[Scope],
    symbols: Sequence[Symbol] = (),
    limits: TokenLimits = UNLIMITED,
    token_id: str | None = None,
) -> tuple[Token, str]:
    """Return a new token and the text that opens it, which exists nowhere else.

    Raises:
        InvalidTokenError: it would open nothing, or more than it says.
    """
    if not strategy.strip() or not strategy.isprintable():
        raise InvalidTokenError("a token is bound to a strategy: its name is empty or not printable")
    if not scopes:
        raise InvalidTokenError(f"a token needs a scope: {', '.join(Scope)}")
    if not accounts and Scope.ADMIN not in scopes:
        raise InvalidTokenError("a token needs an account; only admin goes without")
    for symbol in symbols:
        _check_symbol(symbol)
    _check_limits(limits)
    secret = secrets.token_hex(SECRET_BYTES)
    token = Token(
        token_id=token_id or secrets.token_hex(6),
        digest=digest(secret),
        strategy=strategy,
        accounts=tuple(dict.fromkeys(accounts)),
        scopes=tuple(dict.fromkeys(scopes)),
        symbols=tuple(dict.fromkeys(symbols)),
        limits=limits,
    )
    return token, f"{PREFIX}_{token.token_id}_{secret}"


def _check_symbol(symbol: Symbol) -> None:
    try:
        currencies(symbol)
    except ValueError as error:
        raise InvalidTokenError(f"{symbol!r} is not a symbol: BASE/QUOTE is expected") from error


def _check_limits(limits: TokenLimits) -> None:
    worth, pace = limits.order_notional_max, limits.orders_per_second
    if worth is not None and not (worth.is_finite() and worth > ZERO):
        raise InvalidTokenError("order_notional_max is an amount above zero")
    if pace is not None and not 1 <= pace <= PER_SECOND_MAX:
        raise InvalidTokenError(f"orders_per_second is from 1 to {PER_SECOND_MAX}")


def read_limits(texts: Sequence[str]) -> TokenLimits:
    """Return limits given as ``name=value``, one of each name. Raises InvalidTokenError."""
    given = dict(text.partition("=")[::2] for text in texts)
    if len(given) < len(texts):
        raise InvalidTokenError("a limit is given twice")
    try:
        return msgspec.convert(given, TokenLimits, strict=False)
    except msgspec.ValidationError as error:
        names = ", ".join(TokenLimits.__struct_fields__)
        raise InvalidTokenError(f"limits are given as name=value, of {names}: {error}") from error


def split(text: str) -> tuple[str, str] | None:
    """Return id and secret of a token's text, or None if it is none."""
    prefix, _, rest = text.partition("_")
    token_id, _, secret = rest.partition("_")
    return (token_id, secret) if prefix == PREFIX and token_id and secret else None


_INSERT: Final = """
INSERT INTO public.tokens (token_id, digest, strategy, accounts, scopes, symbols, limits)
SELECT %s, %s, %s, %s, %s, %s, %s WHERE (SELECT count(*) FROM public.tokens WHERE revoked_at IS NULL) < %s
"""
_COLUMNS: Final = (
    "SELECT token_id, digest, strategy, accounts, scopes, symbols, limits, created_at, revoked_at FROM public.tokens "
)
_ALL: Final = _COLUMNS + "ORDER BY created_at, token_id"
_VALID: Final = _COLUMNS + "WHERE revoked_at IS NULL"
_REVOKE: Final = """
UPDATE public.tokens SET revoked_at = clock_timestamp() WHERE token_id = %s AND revoked_at IS NULL
"""


class PostgresTokens:
    """The tokens in Postgres. Making and revoking takes the owner's rights; the gateway may only read."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._readers = ThreadPoolExecutor(LOOKS_MAX, "oms-tokens")  # of its own: looks that hang hold up nothing else

    def create(
        self,
        *,
        strategy: StrategyId,
        accounts: Sequence[AccountId],
        scopes: Sequence[Scope],
        symbols: Sequence[Symbol] = (),
        limits: TokenLimits = UNLIMITED,
    ) -> tuple[Token, str]:
        """Keep a new token; return it with the text that opens it, which cannot be shown again.

        Raises:
            InvalidTokenError: it would open nothing, or there are too many.
            LogUnavailableError: the database does not answer.
        """
        token, text = mint(strategy=strategy, accounts=accounts, scopes=scopes, symbols=symbols, limits=limits)
        row = (
            token.token_id,
            token.digest,
            token.strategy,
            list(token.accounts),
            list(token.scopes),
            list(token.symbols),
            Jsonb(msgspec.to_builtins(token.limits)),
            TOKENS_MAX,
        )
        if not self._change(_INSERT, row):
            raise InvalidTokenError(f"{TOKENS_MAX} tokens are valid already", next_step="revoke some: oms token revoke")
        return token, text

    def list(self) -> Sequence[Token]:
        """Return every token ever made, oldest first. Raises LogUnavailableError."""
        return self._read(_ALL)

    def revoke(self, token_id: str) -> None:
        """End a token; a running gateway knows within a second.

        Raises:
            InvalidTokenError: there is no valid token of that id.
            LogUnavailableError: the database does not answer.
        """
        if not self._change(_REVOKE, (token_id,)):
            raise InvalidTokenError(f"no valid token {token_id}", next_step="oms token list shows them")

    async def valid(self) -> Sequence[Token]:
        """Return every token that is not revoked. Raises LogUnavailableError."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, _VALID)

    def _change(self, statement: str, values: Sequence[object]) -> int:
        try:
            with closing(connect(self._url, role="oms_owner")) as connection:
                return connection.execute(statement.encode(), values).rowcount
        except psycopg.Error as error:
            raise LogUnavailableError(f"the tokens cannot be written: {error}".strip()) from error

    def _read(self, query: str) -> Sequence[Token]:
        try:
            with closing(connect(self._url, role="oms_writer")) as connection:
                rows = connection.execute(query.encode()).fetchall()
        except psycopg.Error as error:
            raise LogUnavailableError(f"the tokens cannot be read: {error}".strip()) from error
        return [_token(row) for row in rows]


def _token(row: Sequence[object]) -> Token:
    token_id, kept, strategy, accounts, scopes, symbols, limits, created_at, revoked_at = row
    assert isinstance(kept, bytes)
    assert isinstance(accounts, list)
    assert isinstance(scopes, list)
    assert isinstance(symbols, list)
    assert isinstance(created_at, datetime)
    assert revoked_at is None or isinstance(revoked_at, datetime)
    return Token(
        token_id=str(token_id),
        digest=kept,
        strategy=StrategyId(str(strategy)),
        accounts=tuple(AccountId(account) for account in accounts),
        scopes=tuple(Scope(scope) for scope in scopes),
        symbols=tuple(Symbol(symbol) for symbol in symbols),
        limits=msgspec.convert(limits, TokenLimits),
        created_at=created_at,
        revoked_at=revoked_at,
    )
