"""A worker of a release that knows one more message on ``summaries``, of the type ``zzz``.

``python -m tests.integration.newer_release ROLE``. The message has no effect on any window.
"""

from __future__ import annotations

import consumers.roles.summary_log
from consumers.__main__ import main
from consumers.messages.reading import ForeignMessage
from consumers.messages.records import Record
from consumers.messages.summaries import SummaryContent, decode_summary_message

UNKNOWN = b'{"schema": 1, "type": "zzz"}'


def decode(record: Record) -> SummaryContent:
    if record.value == UNKNOWN:
        raise ForeignMessage("it has no effect")
    return decode_summary_message(record)


if __name__ == "__main__":
    consumers.roles.summary_log.decode_summary_message = decode  # type: ignore[assignment]
    main()
