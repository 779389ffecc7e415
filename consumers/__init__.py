"""The roles between Kafka and the database: aggregate, join, detect, store."""
