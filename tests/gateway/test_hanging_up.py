"""A client that goes away in the middle of what it says: its business, and no failure of ours."""

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.gateway.house import House


async def begun(house: House, token: str) -> asyncio.StreamWriter:
    """Say the first half of a new order, and wait until it has arrived."""
    where = urlsplit(house.url)
    _, writer = await asyncio.open_connection(where.hostname, where.port)
    head = f"POST /v1/orders HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {token}\r\n"
    writer.write(f"{head}Idempotency-Key: k1\r\nContent-Length: 1000\r\n\r\n".encode() + b'{"symbol": ')
    await writer.drain()
    await asyncio.sleep(0.1)
    return writer


@pytest.mark.parametrize("rudely", [True, False])
async def test_a_client_that_hangs_up_in_the_middle_of_a_body_is_one_quiet_line(
    house: House,
    capsys: pytest.CaptureFixture[str],
    rudely: bool,  # noqa: FBT001
) -> None:
    writer = await begun(house, house.token)
    if rudely:
        writer.transport.abort()
    else:
        writer.close()
    await asyncio.sleep(0.3)
    told = capsys.readouterr().out
    assert [line for line in told.splitlines() if "hung up" in line], told
    assert "Traceback" not in told
    assert "error" not in told
    assert told.count("\n") == 1
    assert (await house.call("GET", "/v1/orders")).json["items"] == []
