"""The example model, trained once for all tests that need it."""

import pytest

from producers.flight_delay import Trained, train_flight_delay
from producers.settings import load_settings


@pytest.fixture(scope="session")
def trained() -> Trained:
    return train_flight_delay(load_settings(), "flight-delay", "1", seed=0)
