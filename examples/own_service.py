"""What a service of your own adds: a record for every prediction, and one when its truth is known.

    python examples/own_service.py [--servers localhost:9092] [--prefix driftline]

It needs confluent-kafka alone. Driftline must know the model (`driftline register`): until it does,
the records are set aside, and can be sent again with `driftline dead-letters replay`.
"""

import argparse
import json
import random
from datetime import UTC, datetime

from confluent_kafka import Producer


class Driftline:
    """Where predictions and their outcomes go."""

    def __init__(self, servers: str, prefix: str, model: str, version: str) -> None:
        self._producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True})
        self._prefix, self._model, self._version = prefix, model, version

    def predicted(self, request: str, features: dict[str, object], score: float) -> None:
        """``request`` is unique; ``score`` is the probability of the positive class, 0 to 1."""
        of = {"version": self._version, "features": features, "score": score}
        self._send("predictions", request, of)

    def became_known(self, request: str, label: int) -> None:
        """The truth about an earlier prediction, 0 or 1, whenever it comes."""
        self._send("labels", request, {"label": label})

    def close(self) -> None:
        self._producer.flush()

    def _send(self, topic: str, request: str, fields: dict[str, object]) -> None:
        head = {"schema": 1, "id": request, "time": datetime.now(UTC).isoformat()}
        record = {**head, "model": self._model, **fields}
        self._producer.produce(f"{self._prefix}.{topic}", json.dumps(record), request)
        self._producer.poll(0)


def main() -> None:
    """A hundred loans: scored at once, and repaid or not when the service hears of it."""
    options = argparse.ArgumentParser()
    options.add_argument("--servers", default="localhost:9092")
    options.add_argument("--prefix", default="driftline")
    given = options.parse_args()
    driftline = Driftline(given.servers, given.prefix, model="loans", version="1")
    for number in range(100):
        income = random.lognormvariate(10, 1)
        score = 1 / (1 + income / 20_000)
        driftline.predicted(f"loan/{number}", {"income": income, "branch": "north"}, score)
        driftline.became_known(f"loan/{number}", int(random.random() < score))
    driftline.close()


if __name__ == "__main__":
    main()
