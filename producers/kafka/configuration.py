"""Configuration of the Kafka clients, and creating them."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaException

from driftline.errors import InvalidSettings
from driftline.settings import Settings
from producers.kafka.errors import reason
from producers.kafka.oauth import oauth_callback

LIBRDKAFKA = logging.getLogger("librdkafka")


def client_config(settings: Settings, required: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a client. ``required`` overrides what the user has configured.

    Raises ``InvalidSettings`` if ``kafka.oauth_cb`` is no function.
    """
    own: dict[str, Any] = {"bootstrap.servers": settings.kafka.bootstrap_servers}
    if settings.kafka.oauth_cb is not None:
        own["oauth_cb"] = oauth_callback(settings.kafka.oauth_cb)
    return {**settings.kafka.client, **own, "logger": LIBRDKAFKA, **required}


def groupless_reader_config(settings: Settings) -> dict[str, Any]:
    """A consumer of committed records that belongs to no group."""
    required = {
        "group.id": settings.topic("no-group"),  # librdkafka requires one; nothing is committed
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
    }
    return client_config(settings, required)


def create_client(kind: type[Any], config: dict[str, Any]) -> Any:
    """Raises ``InvalidSettings``, without the value of the property: it may be a secret."""
    try:
        return kind(config)
    except KafkaException as error:
        named = re.search(r'property:? "([^"]+)"', reason(error))
        which = f" {named[1]!r}" if named else ""
        raise InvalidSettings(
            f"[kafka.client]{which} is refused by the Kafka client: no such property, or not with"
            " this value"
        ) from None
