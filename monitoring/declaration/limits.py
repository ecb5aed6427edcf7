"""Rules for what a service may use before a new process takes its place."""

from collections.abc import Iterable

from monitoring.declaration.declared import Declared
from monitoring.declaration.values import is_whole

LEAST_AGE = 10.0
"""Seconds. A service that is replaced more often than this does little else."""
MOST_READY = 1000
"""More the field itself refuses."""


def faults(declared: Declared) -> Iterable[tuple[str, str]]:
    """Yield field and message of each fault."""
    age = declared.max_age_seconds
    if (is_whole(age) or isinstance(age, float)) and 0 < age < LEAST_AGE:
        yield (
            "max_age_seconds",
            f"After {age:g} s it would be replaced all the time. Write {LEAST_AGE:g} s or more, or 0 for "
            "no limit.",
        )
    others = declared.min_ready
    # A copy has the group of its original and is judged with it.
    if is_whole(others) and 0 < others <= MOST_READY and not declared.group and declared.instance == 0:
        copies = (
            declared.instances if is_whole(declared.instances) and 0 < declared.instances <= MOST_READY else 1
        )
        if others > copies - 1:
            have = "no other copies" if copies == 1 else f"{copies - 1} other copies"
            yield (
                "min_ready",
                f"It has no group and {have}, so that {others} more can never be ready and it would never "
                "be replaced. Name a group, raise the instances, or write a smaller number.",
            )
