"""What people see of the API, as web pages and in a shell. Computes no statistics."""
