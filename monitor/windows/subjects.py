"""Names: the cells that a test counts, the subject of its incidents, the family of its budget.

========================  ===================  ==========
cells                     subject              family
========================  ===================  ==========
``bins/<feature>``        ``data/<feature>``   data
``categories/<feature>``  ``data/<feature>``   data
``quality/<feature>``     the same             quality
``score``                 prediction/score     prediction
``errors``                concept/error        errors
========================  ===================  ==========

The number of rows has the subject ``traffic/rows`` and the family ``traffic``.
"""

from __future__ import annotations

TRAFFIC = "traffic/rows"


def family_of(cells: str) -> str:
    """The family of the tests of some cells in the budget."""
    kind = cells.partition("/")[0]
    return {"score": "prediction", "errors": "errors", "quality": "quality"}.get(kind, "data")


def subject_of(cells: str) -> str:
    """The subject of the incidents that tests of some cells open."""
    if cells.startswith("quality/"):
        return cells
    name = cells.partition("/")[2]
    return {"score": "prediction/score", "errors": "concept/error"}.get(cells, f"data/{name}")


def cells_of(subject: str) -> str:
    """The cells of a numeric subject: the inverse of ``subject_of``."""
    name = subject.partition("/")[2]
    return {"prediction/score": "score", "concept/error": "errors"}.get(subject, f"bins/{name}")
