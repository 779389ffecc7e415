"""Pure statistics and decisions: no Kafka, no database, no HTTP, no clock."""
