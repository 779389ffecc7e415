"""A model as a skops file, which unlike pickle only creates objects of trusted types."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from skops import io as skops
from skops.io.exceptions import UntrustedTypesFoundException

from driftline.errors import Trouble
from producers.example.training import Encoding, Model

# Trusted types besides those of skops. The trees contain a partial of ``check_array``; skops
# refuses a partial of any function that is not trusted.
TRUSTED = [
    "functools.partial",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
]
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)


class InvalidModelFile(Trouble):
    """Bytes that are not a model of Driftline, or contain a type that is not trusted."""


def save_model(model: Model) -> bytes:
    """The same model gives the same bytes."""
    parts = {
        "categorical": list(model.encoding.categorical),
        "numeric": list(model.encoding.numeric),
        "encoder": model.encoding.encoder,
        "trees": model.trees,
        "calibration": model.calibration,
    }
    return _canonical(skops.dumps(parts))


def load_model(value: bytes) -> Model:
    """Raises ``InvalidModelFile``."""
    try:
        parts = skops.loads(value, trusted=TRUSTED)
        columns = tuple(parts["categorical"]), tuple(parts["numeric"])
        encoding = Encoding(*columns, parts["encoder"])
        return Model(encoding, parts["trees"], parts["calibration"])
    except UntrustedTypesFoundException as error:
        raise InvalidModelFile(
            f"the model file contains a type that is not trusted: {error}"
        ) from error
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise InvalidModelFile(
            f"the file does not contain a model of Driftline: {error}"
        ) from error


def _canonical(archive: bytes) -> bytes:
    """The archive without the time and memory addresses that skops writes into it."""
    number: dict[object, int] = {}
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(sink, "w") as new:
        schema = _renumbered(json.loads(old.read("schema.json")), number)
        _write(new, "schema.json", json.dumps(schema).encode())
        for name in sorted(set(old.namelist()) - {"schema.json"}, key=number.__getitem__):
            _write(new, f"{number[name]}.npy", old.read(name))
    return sink.getvalue()


def _renumbered(node: Any, number: dict[object, int]) -> Any:
    """``node`` with objects and files numbered in the order of their first occurrence."""
    if isinstance(node, list):
        return [_renumbered(child, number) for child in node]
    if not isinstance(node, dict):
        return node
    renumbered = {name: _renumbered(child, number) for name, child in node.items()}
    if "__id__" in node:
        renumbered["__id__"] = number.setdefault(node["__id__"], len(number))
    if "file" in node:
        renumbered["file"] = f"{number.setdefault(node['file'], len(number))}.npy"
    return renumbered


def _write(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _FIXED_DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)
