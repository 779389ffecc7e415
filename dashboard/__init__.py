"""The API as pictures. Reads the API only; computes no statistics."""
