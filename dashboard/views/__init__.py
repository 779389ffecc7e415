"""The pages, one module each: ``page(here)`` lays out, ``tables`` and ``charts`` decide."""
