"""A Postgres server in a container, of the image that OMS_TEST_POSTGRES_IMAGE names."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from testcontainers.core.container import DockerContainer

PORT = 5432
USER, PASSWORD = "postgres", "postgres"
STARTING_SECONDS = 0.2
STARTING_MAX = 300  # times to look: a minute and more


class Server(DockerContainer):
    """One server and its data, which end together."""

    def __init__(self) -> None:
        super().__init__(os.environ.get("OMS_TEST_POSTGRES_IMAGE", "postgres:18"))
        self.with_env("POSTGRES_PASSWORD", PASSWORD).with_exposed_ports(PORT)

    @property
    def address(self) -> str:
        """Where this machine reaches the server, as host:port."""
        return f"{self.get_container_host_ip()}:{self.get_exposed_port(PORT)}"

    @property
    def url(self) -> str:
        """The connection string of the maintenance database, as the superuser."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgresql://{USER}:{PASSWORD}@{self.address}/{database}"

    @property
    def inner_host(self) -> str:
        """Where another container reaches the server."""
        return str(self.get_docker_client().bridge_ip(self.get_container_id()))

    def kill(self) -> None:
        """End it as kill -9 does."""
        self.get_wrapped_container().kill()

    def pause(self) -> None:
        """Stop it until `resume`, in the middle of whatever it does."""
        self.get_wrapped_container().pause()

    def resume(self) -> None:
        self.get_wrapped_container().unpause()

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Start `server`, wait until it answers, and remove it in the end."""
    with server:
        for _ in range(STARTING_MAX):
            if server.answers():
                break
            time.sleep(STARTING_SECONDS)  # noqa: TID251 - before there is an event loop
        else:
            raise TimeoutError(f"the server in the container does not answer: {server.get_logs()}")
        yield server
