"""Where the door listens, before it does: whether the place can be had, and what to say if not."""

import errno
import socket
import stat
from pathlib import Path

from oms.errors import OmsError


class PortTakenError(OmsError):
    """The gateway cannot listen where it was told to."""

    code = "port_taken"
    next_step = "stop the program that listens there, or choose another port: OMS__GATEWAY__PORT"


class CannotListenError(OmsError):
    """The gateway cannot listen where it was told to, for another reason than a program that already does."""

    code = "cannot_listen"
    next_step = "correct the gateway's host, port, socket, certificate and key"


def require_free(host: str, port: int) -> None:
    """See that the gateway's port can be had, before anything is touched: another OMS may be running behind it.

    Raises:
        PortTakenError: somebody else has it.
        CannotListenError: it cannot be listened on for another reason.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)  # two may bind a port, one may listen
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(f"another program listens on {host}:{port}") from error
        raise CannotListenError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    except OverflowError as error:
        raise CannotListenError(f"{port} is no port") from error


def socket_path(place: str) -> Path:
    """Return where the socket `place` is, written out."""
    return Path(place).expanduser().absolute()


def free_socket(place: str) -> Path:
    """Return the path of the socket `place`, once nobody listens there; what a killed program left is taken away.

    Raises:
        PortTakenError: somebody listens there.
        CannotListenError: something else than a socket is there.
    """
    path = socket_path(place)
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise CannotListenError(f"{path} is no socket, and stays as it is")
    except FileNotFoundError:
        return path
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return path
    raise PortTakenError(
        f"another program listens on {path}",
        next_step="stop that program, or choose another path: OMS__GATEWAY__SOCKET",
    )
