"""What operations on workstations end with."""

from operations.words import declare_errors
from workstations import exceptions
from workstations.exceptions import RemoteFailure

ENDS: tuple[type[RemoteFailure], ...] = tuple(
    kind
    for kind in vars(exceptions).values()
    if isinstance(kind, type) and issubclass(kind, RemoteFailure) and kind is not RemoteFailure
)


def declare() -> None:
    """Say on the pages of operations what each means. Called once, when the app is ready."""
    declare_errors(ENDS)
