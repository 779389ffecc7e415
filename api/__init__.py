"""The database over HTTP. Reads only; computes no statistics."""
