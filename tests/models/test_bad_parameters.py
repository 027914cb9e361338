"""Wrong values of every parameter of every named model, as the command line reads them."""

import contextlib
import json

import pytest

import regmdp as rm

#: Values as JSON: of another type, out of range, not finite, or larger than any memory.
VALUES = ('"text"', '""', "true", "null", "{}", '{"a": 1}', "[]", "[1]", "[NaN]", "[null]", "[{}]")
VALUES += ("[[1, 2], [3]]", "[1e400]", "NaN", "Infinity", "-Infinity", "1e400", "-1", "0", "0.5")
VALUES += ("2.0", "-0.5", "1e-400", "1000000007", "9" * 15, "9" * 30)
#: Values that no parameter takes.
NEVER = ("true", '{"a": 1}', "NaN", "[NaN]", "[{}]", "[[1, 2], [3]]", "Infinity", "1e400")

PARAMETERS = [
    (entry.name, parameter)
    for entry in rm.models.list_models()
    if not entry.extra
    for parameter in entry.parameters
]


@pytest.mark.parametrize("value", VALUES)
def test_wrong_values_get_an_error_of_the_library(value):
    for name, parameter in PARAMETERS:
        with contextlib.suppress(rm.RegmdpError):
            rm.models.build_model(name, **{parameter: json.loads(value)})
            assert value not in NEVER, (name, parameter)


def test_counts():
    print(f"{len(PARAMETERS)} parameters, {len(PARAMETERS) * len(VALUES)} values")  # noqa: T201
    assert len(PARAMETERS) > 30
