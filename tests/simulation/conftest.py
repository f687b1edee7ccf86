"""The simulation's own settings."""

from collections.abc import Iterator

import pytest
import structlog

CRITICAL = 50


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What the OMS logs is not what a world is judged by."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(CRITICAL))
    yield
    structlog.reset_defaults()
