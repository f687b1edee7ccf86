"""`oms db`, and how commands reach the database: the one that is named, or the embedded one as one more user."""

import contextlib
from collections.abc import Iterator, Sequence

import typer
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from oms.cli.config import ConfigFile, configured
from oms.cli.output import AsJson, Output
from oms.config import Config
from oms.errors import OmsError, UnknownAccountError
from oms.store.database import check_schema, connect, revision, upgrade
from oms.store.embedded import EmbeddedPostgres
from oms.values import AccountId


class NoLogError(OmsError):
    """Nothing was ever recorded here."""

    code = "no_log"
    next_step = "start one with: oms up --venue simulator, or name another home with OMS_HOME"


group = typer.Typer(help="The database.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="db")


@contextlib.contextmanager
def server(config: Config) -> Iterator[str]:
    """Yield the connection string of the configured database, starting the embedded one if it is that."""
    if config.database.url:
        yield config.database.url.reveal()
        return
    with EmbeddedPostgres(config.home) as embedded:
        yield embedded.url


@contextlib.contextmanager
def recorded(config: Config) -> Iterator[str]:
    """Yield the connection string of a database that holds a log this program can read.

    Raises:
        NoLogError: there is none.
        LogUnavailableError: it does not answer.
        SchemaError: its schema is older or newer.
    """
    if not config.database.url and not (config.home / "postgres" / "PG_VERSION").exists():
        raise NoLogError(f"no OMS has run under {config.home} yet: there is no log to read")
    with server(config) as url:
        check_schema(url)
        yield url


def shown(url: str) -> str:
    """Return `url` without its password."""
    known = conninfo_to_dict(url)
    known.pop("password", None)
    return make_conninfo("", **known)


def accounts_of(url: str) -> list[AccountId]:
    """Return every account that the log knows, by name. Raises LogUnavailableError."""
    with contextlib.closing(connect(url, role="oms_reader")) as connection:
        rows = connection.execute("SELECT DISTINCT account FROM public.epochs ORDER BY account").fetchall()
    return [AccountId(str(name)) for (name,) in rows]


def unknown(known: Sequence[AccountId], account: str) -> str:
    """Return the words for an account that is not among those that the log knows."""
    return f"no account {account} has run here yet, only {', '.join(known) or 'none'}"


def require_account(url: str, account: str) -> AccountId:
    """Return an account that the log knows. Raises UnknownAccountError, LogUnavailableError."""
    known = accounts_of(url)
    if account not in known:
        raise UnknownAccountError(unknown(known, account), next_step="name one of those, or see OMS_HOME")
    return AccountId(account)


@group.command("upgrade")
def upgrade_command(*, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Bring the schema to what this program knows. Doing it again changes nothing."""
    output = Output(as_json=as_json)
    with server(configured(config)) as url:
        before = revision(url)
        after = upgrade(url)
    if as_json:
        output.document({"before": before, "after": after})
    else:
        output.say(f"schema {after}" + (": nothing to do" if before == after else f", was {before or 'empty'}"))
