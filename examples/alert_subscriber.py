"""A subscriber to the alerts: prints every change of an incident until Ctrl-C.

python examples/alert_subscriber.py [SERVERS] [PREFIX]
"""

import json
import sys

from confluent_kafka import Consumer

servers = sys.argv[1] if len(sys.argv) > 1 else "localhost:9092"
prefix = sys.argv[2] if len(sys.argv) > 2 else "driftline"
group = {"group.id": "my-pager", "auto.offset.reset": "earliest"}
consumer = Consumer({"bootstrap.servers": servers, "isolation.level": "read_committed", **group})
consumer.subscribe([f"{prefix}.alerts"])
try:
    while True:
        message = consumer.poll(1.0)
        if message is not None and not message.error():
            event = json.loads(message.value() or b"")
            alert = (event["type"], event["data"]["severity"], event["data"]["message"])
            print(*alert, flush=True)  # noqa: T201 - call your pager here
except KeyboardInterrupt:
    consumer.close()
