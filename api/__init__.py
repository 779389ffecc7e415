"""REST API over the database. Read-only; computes no statistics."""
