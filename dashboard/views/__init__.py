"""The pages, one module each. ``page(context)`` loads what it shows and lays it out."""
