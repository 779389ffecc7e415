"""The example model, trained once for all tests that need it."""

import pytest

from driftline.settings import load_settings
from producers.example.flight_delay import Trained, train_flight_delay


@pytest.fixture(scope="session")
def trained() -> Trained:
    return train_flight_delay(load_settings(), "flight-delay", "1", seed=0)
