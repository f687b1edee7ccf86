"""How the door is set up; what each bound means."""

from typing import Annotated, Final

from msgspec import Meta, Struct

BODY_MAX: Final = 64 * 1024  # bytes of a body or a frame

Seconds = Annotated[float, Meta(gt=0, le=3_600)]
Some = Annotated[int, Meta(ge=1)]


class Settings(Struct, frozen=True, kw_only=True):
    """Where to listen, and the bounds. Durations in seconds.

    With `socket`, a path, only a unix socket there is listened on, which its owner alone may open.
    `hosts` are names other than loopback that clients may use for us. `certificate` and `key` are PEM files for TLS.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8700  # 0: any free one
    socket: str | None = None
    hosts: tuple[str, ...] = ()
    certificate: str | None = None
    key: str | None = None
    wait_seconds: Seconds = 5.0  # for min_position
    hello_seconds: Seconds = 10.0  # from opening a stream to its first message
    heartbeat_seconds: Seconds = 5.0
    slow_seconds: Seconds = 10.0  # a reader that does not take one page of frames within this is closed
    streams_max: Some = 256
    commands_max: Some = 64  # of one stream, not answered yet; the next one is not read before
    lag_max: Annotated[int, Meta(ge=0)] = 10_000  # events that the read models may be behind and still be called ready
