"""What is turned away before anybody looks at it: foreign hosts, foreign pages, secrets in addresses, unsafe binds."""

import ipaddress
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.hdrs import HOST, ORIGIN, UPGRADE

from oms.errors import OmsError
from oms.gateway.problems import ForeignOriginError, MisdirectedError, TokenInQueryError

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_SECRET_PARAMETERS: Final = frozenset({"token", "access_token", "authorization", "api_key"})


class UnsafeBindError(OmsError):
    """The door would stand open to the network."""

    code = "unsafe_bind"
    next_step = "bind to 127.0.0.1, or give the gateway a certificate and keep its tokens on"


def require_safe_bind(host: str, *, tls: bool, auth: bool) -> None:
    """Refuse to listen beyond this machine without TLS and tokens.

    Raises:
        UnsafeBindError: `host` is not a loopback address and one of both is missing.
    """
    if _is_loopback(host):
        return
    missing = [name for name, there in (("TLS", tls), ("authentication", auth)) if not there]
    if missing:
        raise UnsafeBindError(f"the gateway would listen on {host or 'every address'} without {' and '.join(missing)}")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """Checks where a request wanted to go and where it comes from."""

    def __init__(self, hosts: Collection[str]) -> None:
        self._hosts = _LOOPBACK_NAMES | {host.lower() for host in hosts}

    def check(self, request: web.Request) -> None:
        """Let `request` pass.

        Raises:
            MisdirectedError: its Host is not ours. A page elsewhere may have pointed its own name at our address; the
                port is not looked at, since a tunnel changes it.
            ForeignOriginError: it wants to write, or to open a stream, and comes from a page that is not ours.
            TokenInQueryError: its address holds a secret.
        """
        host = request.headers.get(HOST, "")
        if _name(f"//{host}") not in self._hosts:
            raise MisdirectedError(f"no host {host[:100]!r} here")
        origin = request.headers.get(ORIGIN)
        acts = request.method not in _READS or UPGRADE in request.headers
        if acts and origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise ForeignOriginError(f"the request comes from a page of {origin[:100]!r}")
        for name, value in request.query.items():
            if name.lower() in _SECRET_PARAMETERS or value.startswith("oms_"):
                raise TokenInQueryError("the address holds a token")


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
