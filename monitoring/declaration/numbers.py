"""Numbers that no column can hold. Django's own fields raise OverflowError for some of them."""

from collections.abc import Mapping
from typing import Any

_GREATEST = 2**63


def unusable(values: Mapping[str, Any]) -> dict[str, str]:
    """Return a message for each field whose value is a number without end, none, or beyond all columns."""
    return {
        field: "This number is out of any range. Write a smaller one."
        for field, value in values.items()
        if isinstance(value, int | float) and not abs(value) < _GREATEST
    }
