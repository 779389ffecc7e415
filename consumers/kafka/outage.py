"""Whether Kafka is away: which errors say so, and one line when it goes and one when it returns."""

from __future__ import annotations

import logging
import time

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from consumers.kafka.errors import TransactionUnsettled
from driftline.settings import Settings
from producers.kafka.configuration import client_config
from producers.kafka.errors import RETRIABLE, KafkaUnavailable, reason

log = logging.getLogger(__name__)

RELAPSE_S = 60.0  # a system that is away again so soon was not back
ANSWER_S = 5.0  # for a broker that is asked whether it is there
_AWAY = RETRIABLE | {
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._MSG_TIMED_OUT,
    KafkaError._RESOLVE,
    KafkaError._TIMED_OUT,
    KafkaError._TIMED_OUT_QUEUE,
    KafkaError._WAIT_COORD,
    KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NETWORK_EXCEPTION,
    KafkaError.NOT_COORDINATOR,
    KafkaError.NOT_ENOUGH_REPLICAS,
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    KafkaError.REQUEST_TIMED_OUT,
}
_CONNECTIONS = ("FAIL ", "ERROR ", "REQTMOUT ", "GETPID ", "SESSTMOUT ", "METADATAUPDATE ")


class Outage:
    """A system that a worker needs. It logs one line when it goes, and one when it returns.

    If it is away again shortly after its return, the lines have the level ``info``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._since_s: float | None = None
        self._ended_s = float("-inf")
        self._level = logging.WARNING

    @property
    def seconds(self) -> float:
        """How long it has been away."""
        return 0.0 if self._since_s is None else time.monotonic() - self._since_s

    def began(self, why: str, before_s: float = 0.0) -> None:
        """It is away, since ``before_s`` ago."""
        if self._since_s is None:
            now_s = time.monotonic()
            self._since_s = now_s - before_s
            again = now_s - self._ended_s < RELAPSE_S
            self._level = logging.INFO if again else logging.WARNING
            how = "still not reliable" if again else "away, waiting for it"
            log.log(self._level, "%s is %s: %s", self.name, how, why)

    def ended(self) -> None:
        if self._since_s is not None:
            log.log(self._level, "%s is back after %.0f s", self.name, self.seconds)
            self._since_s, self._ended_s = None, time.monotonic()


class ConnectionLines(logging.Filter):
    """Keeps lines about connections, a hundred a second during an outage, out of the log.

    They are logged at the level ``debug``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.newest = "it confirms nothing"

    def filter(self, record: logging.LogRecord) -> bool:
        line = record.getMessage()
        if not line.startswith(_CONNECTIONS):
            return True
        self.newest = line.rpartition("]: ")[2]
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return logging.getLogger(record.name).isEnabledFor(logging.DEBUG)


def is_away(error: BaseException) -> bool:
    """Whether an error says that Kafka does not answer, or not in time."""
    if isinstance(error, KafkaException):
        return error.args[0].code() in _AWAY
    return isinstance(error, KafkaUnavailable | TransactionUnsettled)


def sentence(error: BaseException) -> str:
    """What an error of Kafka says."""
    return reason(error) if isinstance(error, KafkaException) else str(error)


def answers(settings: Settings) -> bool:
    """Whether a broker answers now."""
    try:
        admin = AdminClient(client_config(settings, {"log_level": 0}))
        return bool(admin.list_topics(timeout=ANSWER_S).brokers)
    except KafkaException:
        return False
