"""Web pages over the API. Reads only the API and computes no statistics."""
