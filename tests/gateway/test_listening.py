"""Other doors than plain loopback: a unix socket, and TLS."""

import ipaddress
import socket
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec.structs import replace

import oms
from oms.client import UnreachableError
from oms.gateway.listening import CannotListenError, PortTakenError, free_socket
from tests.gateway.house import SETTINGS, House


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "oms.sock"


def mode(place: Path) -> int | None:
    return stat.S_IMODE(place.stat().st_mode) if place.exists() else None


@pytest.fixture
async def behind_socket(place: Path) -> AsyncIterator[House]:
    async with House.opened(settings=replace(SETTINGS, socket=str(place))) as house:
        yield house


async def test_a_unix_socket_takes_calls_and_streams_from_its_owner(behind_socket: House, place: Path) -> None:
    house = behind_socket
    assert house.url == f"unix://{place}"
    assert mode(place) == 0o600
    async with house.client() as client:
        placed = await client.place(symbol="BTC/USDT", side="buy", type="limit", quantity="0.01", price="60000")
        async for event in client.events(since=placed.position - 1):
            assert event.position == placed.position
            break


async def test_a_socket_that_is_listened_on_is_taken_and_is_gone_with_its_gateway(
    behind_socket: House, place: Path
) -> None:
    with pytest.raises(PortTakenError):
        free_socket(str(place))
    transport = aiohttp.UnixConnector(path=str(place))
    async with aiohttp.ClientSession(connector=transport) as session:
        async with session.get("http://localhost/health/live") as answer:
            assert answer.status == 200
        async with session.get("http://localhost/health/live", headers={"Host": "evil.example"}) as answer:
            assert answer.status == 421
    await behind_socket.stop()
    assert mode(place) is None


def test_a_file_of_somebodys_stays(place: Path) -> None:
    place.touch()
    with pytest.raises(CannotListenError):
        free_socket(str(place))
    assert place.exists()


def test_what_a_killed_program_left_is_taken_away(place: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(place))
    left.close()
    assert free_socket(str(place)) == place
    assert not place.exists()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    """A certificate for loopback, and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "oms")])
    now = datetime.now(UTC)  # noqa: TID251 - certificates live in real time
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(pem), str(private)


async def test_tls_is_spoken_with_whom_trusts_the_certificate(certificate: tuple[str, str]) -> None:
    pem, key = certificate
    async with House.opened(settings=replace(SETTINGS, certificate=pem, key=key)) as house:
        assert house.url.startswith("https://127.0.0.1:")
        async with oms.connect(house.url, token=house.token, ca=pem) as client:
            placed = await client.place(symbol="BTC/USDT", side="buy", type="limit", quantity="0.01", price="60000")
            assert (await client.order(placed.client_order_id)).client_order_id == placed.client_order_id
        async with oms.connect(house.url, token=house.token, timeout=0.5) as stranger:
            with pytest.raises(UnreachableError):
                await stranger.orders()


async def test_a_certificate_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotListenError):
        async with House.opened(settings=replace(SETTINGS, certificate=str(tmp_path / "none.pem"))):
            pass
