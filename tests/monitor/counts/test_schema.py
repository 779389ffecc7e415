"""A schema separates numeric from categorical features and keeps their order."""

import numpy as np

from monitor.counts.bins import Sample
from monitor.counts.columns import Categorical, Numeric
from monitor.counts.schema import Schema
from monitor.tasks.binary import BINARY

number, category = Numeric(Sample.of([0.0]), 0.0, 0.0), Categorical(("x",), np.array([1, 0]))


def test_every_feature_is_either_numeric_or_categorical():
    features = {"a": number, "b": category, "c": number}
    schema = Schema("credit", "1", 10, 0.5, features, {"score": number}, {}, BINARY)
    assert list(schema.numeric) == [("a", number), ("c", number)]
    assert list(schema.categorical) == [("b", category)]
