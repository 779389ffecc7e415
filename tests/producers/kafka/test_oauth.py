"""Tokens for OAUTHBEARER from a function that a setting names."""

from __future__ import annotations

import time

import pytest
from confluent_kafka import Producer

from driftline.errors import InvalidSettings
from driftline.settings import load_settings
from producers.kafka.configuration import client_config, create_client
from producers.kafka.errors import KafkaUnavailable
from producers.kafka.oauth import oauth_callback

asked: list[str] = []
NO_FUNCTION = 7


def token(config: str) -> tuple[str, float]:
    asked.append(config)
    return "t0ken", time.time() + 3_600


def failing(_: str) -> tuple[str, float]:
    raise OSError("password hunter2 is wrong")


def test_a_client_asks_the_function_for_its_token():
    asked.clear()
    kafka = {
        "bootstrap_servers": "127.0.0.1:1",
        "oauth_cb": f"{__name__}:token",
        "client": {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.oauthbearer.config": "region=eu",
        },
    }
    settings = load_settings(None, kafka=kafka)
    create_client(Producer, client_config(settings, {"log_level": 0})).poll(1.0)
    assert asked == ["region=eu"]


def test_an_error_of_the_function_is_an_outage_that_tells_no_secret():
    with pytest.raises(KafkaUnavailable) as raised:
        oauth_callback(f"{__name__}:failing")("")
    assert str(raised.value) == f"kafka.oauth_cb {__name__}:failing gave no token: OSError"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere_at_all:token", "No module named 'nowhere_at_all'"),
        (f"{__name__}:nothing", "has no attribute 'nothing'"),
        (f"{__name__}:NO_FUNCTION", "is no function"),
    ],
)
def test_what_is_no_function_is_refused_by_name(name, said):
    with pytest.raises(InvalidSettings, match=said):
        oauth_callback(name)
