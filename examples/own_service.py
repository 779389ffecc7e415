"""The code that your own service adds: a record for every prediction and for every label.

    python examples/own_service.py [--servers localhost:9092] [--prefix driftline]

It needs only confluent-kafka. The model must be registered (`driftline register`): until then the
records become dead letters, which can be sent again with `driftline dead-letters replay`.
"""

import argparse
import json
import random
from datetime import UTC, datetime

from confluent_kafka import Producer


class Driftline:
    """Sends predictions and labels to Driftline."""

    def __init__(self, servers: str, prefix: str, model: str, version: str) -> None:
        self._producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True})
        self._prefix, self._model, self._version = prefix, model, version

    def predicted(self, request: str, features: dict[str, object], score: float) -> None:
        """``request`` is unique; ``score`` is the probability of the positive class, 0 to 1."""
        fields = {"version": self._version, "features": features, "score": score}
        self._send("predictions", request, fields)

    def labelled(self, request: str, label: int) -> None:
        """``label`` is the outcome of an earlier prediction: 0 or 1."""
        self._send("labels", request, {"label": label})

    def close(self) -> None:
        self._producer.flush()

    def _send(self, topic: str, request: str, fields: dict[str, object]) -> None:
        head = {"schema": 1, "id": request, "time": datetime.now(UTC).isoformat()}
        record = {**head, "model": self._model, **fields}
        self._producer.produce(f"{self._prefix}.{topic}", json.dumps(record), request)
        self._producer.poll(0)


def main() -> None:
    """Sends the scores and labels of a hundred loans."""
    options = argparse.ArgumentParser()
    options.add_argument("--servers", default="localhost:9092")
    options.add_argument("--prefix", default="driftline")
    arguments = options.parse_args()
    driftline = Driftline(arguments.servers, arguments.prefix, model="loans", version="1")
    for number in range(100):
        income = random.lognormvariate(10, 1)
        score = 1 / (1 + income / 20_000)
        driftline.predicted(f"loan/{number}", {"income": income, "branch": "north"}, score)
        driftline.labelled(f"loan/{number}", int(random.random() < score))
    driftline.close()


if __name__ == "__main__":
    main()
