"""Tables of the database: findings of ``detect``, retraining decisions, heartbeats of the roles.

All tables but ``meta`` and ``offsets`` can be filled again by reading the topics from their
beginning. Times are milliseconds since 1970, UTC. Documents are the JSON of the messages.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, MetaData, Table, Text

SCHEMA_VERSION = "6"  # of these tables; databases with another one are refused

metadata = MetaData()

# Collated byte by byte, so that order and cursors are the same on both databases.
Name = Text().with_variant(Text(collation="C"), "postgresql")

meta = Table(
    "meta",
    metadata,
    Column("key", Name, primary_key=True),
    Column("value", Text, nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("model", Name, primary_key=True),
    Column("version", Name, primary_key=True),
    Column("registered_ms", BigInteger, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("document", JSON, nullable=False),  # schema, baseline metrics, owner, tags
)

# The states of versions that have had rows, or whose state was changed.
versions = Table(
    "versions",
    metadata,
    Column("model", Name, primary_key=True),
    Column("version", Name, primary_key=True),
    Column("state", Text, nullable=False),
    Column("since_ms", BigInteger, nullable=False),  # clock of the broker
    Column("changed_by", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("life", BigInteger, nullable=False),  # how often it has begun afresh
)

windows = Table(
    "windows",
    metadata,
    Column("model", Name, primary_key=True),
    Column("version", Name, primary_key=True),
    Column("segment", Name, primary_key=True),  # empty: the whole
    Column("end_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("start_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("life", BigInteger, nullable=False),  # of the version
    Column("revision", BigInteger, nullable=False),
    Column("plan", Text),  # hash of the settings by which it was judged; null: not known
    Column("data_status", Text, nullable=False),
    Column("performance_status", Text),  # null: the model has no labels
    Column("data", JSON, nullable=False),
    Column("concept", JSON(none_as_null=True)),
    Column("performance", JSON(none_as_null=True)),
)

# Of the features, the score and the errors of a window: they are half of its size, and only the
# answers about one window contain them.
distributions = Table(
    "distributions",
    metadata,
    *(
        Column(name, kind, primary_key=True, autoincrement=False)
        for name, kind in (
            ("model", Name),
            ("version", Name),
            ("segment", Name),
            ("end_ms", BigInteger()),
            ("start_ms", BigInteger()),
        )
    ),
    Column("life", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("document", JSON, nullable=False),  # ``features`` by name, ``prediction``, ``errors``
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", Name, primary_key=True),
    Column("model", Name),  # null, as the version: it is about Driftline itself
    Column("version", Name),
    Column("segment", Name, nullable=False),  # empty: the whole
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),  # why it is resolved
    Column("caused_by", Name),  # id of the incident that made it stale
    Column("opened_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Column("resolved_ms", BigInteger),
    Column("window", JSON(none_as_null=True)),  # the window of its last transition
    Column("evidence", JSON, nullable=False),
    Column("message", Text, nullable=False),
    Index("incidents_newest", "model", "segment", "opened_ms", "id"),
)

# ``sequence`` is assigned under a lock, so in the order of commits: a reader that has seen one has
# seen all smaller ones. An auto-increment column of PostgreSQL does not guarantee that.
transitions = Table(
    "transitions",
    metadata,
    Column("id", Name, primary_key=True),  # of the CloudEvent
    Column("sequence", BigInteger, nullable=False, unique=True),
    Column("incident", Name, ForeignKey("incidents.id"), nullable=False, index=True),
    Column("type", Text, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("event", JSON, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("model", Name, primary_key=True),
    Column("version", Name, primary_key=True),
    Column("decided_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("life", BigInteger, nullable=False),  # of the version
    Column("document", JSON, nullable=False),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("role", Name, primary_key=True),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),  # clock of the role
    Column("received_ms", BigInteger, nullable=False),  # clock of store
    Column("document", JSON, nullable=False),
)

offsets = Table(
    "offsets",
    metadata,
    Column("topic", Name, primary_key=True),
    Column("partition", BigInteger, primary_key=True, autoincrement=False),
    Column("next", BigInteger, nullable=False),
)
