"""The part of the sampling noise that the persistent part of a deviation must exceed."""

HALF = 0.5
OF_CATEGORIES = 0.75  # more than half, because rows come in clusters
