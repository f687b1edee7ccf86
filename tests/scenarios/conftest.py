"""The stories' own settings."""

from collections.abc import Iterator

import pytest
import structlog

CRITICAL = 50


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What the OMS logs is not what these stories look at."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(CRITICAL))
    yield
    structlog.reset_defaults()
