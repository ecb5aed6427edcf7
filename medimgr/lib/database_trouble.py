"""What an error of the database means for people: it is away, or was never set up for this version."""

from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError

from medimgr.lib.branches import DatabaseProblem
from medimgr.lib.request_problems import DatabaseNotMigrated, DatabaseUnavailable

_NO_TABLE = ("no such table", "no such column", "has no column named")
"""How SQLite begins to say it; PostgreSQL has codes."""
_UNDEFINED = frozenset({"42P01", "42703"})


def trouble_in(error: BaseException | None) -> DatabaseProblem | None:
    """Return what ``error`` says of the database's state, None where it says nothing of it. No query.

    Neither the statement nor the driver's words are in it: they hold names and values.
    """
    if isinstance(error, OperationalError | ProgrammingError) and _lacks_a_table(error):
        return DatabaseNotMigrated()
    if isinstance(error, OperationalError | InterfaceError):
        return DatabaseUnavailable()
    return None


def _lacks_a_table(error: DatabaseError) -> bool:
    if getattr(error.__cause__, "sqlstate", None) in _UNDEFINED:
        return True
    return isinstance(error, OperationalError) and any(words in str(error) for words in _NO_TABLE)
