"""Names: the cells that a test counts, the subject of its incidents, the family of its budget.

========================  ======================  ==========
cells                     subject                 family
========================  ======================  ==========
``bins/<feature>``        ``data/<feature>``      data
``categories/<feature>``  ``data/<feature>``      data
``quality/<feature>``     the same                quality
``errors``                concept/error           errors
``residuals``             concept/residual        errors
``<output>``              ``prediction/<output>`` prediction
========================  ======================  ==========

The number of rows has the subject ``traffic/rows`` and the family ``traffic``.
"""

from __future__ import annotations

TRAFFIC = "traffic/rows"
ERROR_CELLS = {"errors": "concept/error", "residuals": "concept/residual"}


def family_of(cells: str) -> str:
    """The family of the tests of some cells in the budget."""
    kind, separator, _ = cells.partition("/")
    if not separator:
        return "errors" if cells in ERROR_CELLS else "prediction"
    return "quality" if kind == "quality" else "data"


def subject_of(cells: str) -> str:
    """The subject of the incidents that tests of some cells open."""
    kind, separator, name = cells.partition("/")
    if not separator:
        return ERROR_CELLS.get(cells, f"prediction/{cells}")
    return cells if kind == "quality" else f"data/{name}"


def cells_of(subject: str) -> str:
    """The cells of a numeric subject: the inverse of ``subject_of``."""
    kind, _, name = subject.partition("/")
    errors = {subject: cells for cells, subject in ERROR_CELLS.items()}
    return errors.get(subject, name if kind == "prediction" else f"bins/{name}")


def unseen_of(cells: str) -> str:
    """The name of the texts that the reference of categorical cells does not have."""
    kind, separator, name = cells.partition("/")
    return f"unseen/{name}" if separator else f"unseen {kind}"


def name_of(cells: str) -> str:
    """What an output or an error is called beside the features: the end of its subject."""
    return subject_of(cells).partition("/")[2]
