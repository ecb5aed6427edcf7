"""What can be wrong with any request, at whichever door: too large, broken off, misplaced, late."""

from medimgr.lib.branches import (
    DatabaseProblem,
    NetworkProblem,
    SystemProblem,
    ValidationProblem,
)


class BadRequest(ValidationProblem):
    """The request is not acceptable."""

    code = "bad-request"
    status = 400
    remedy = (
        "Look at the Host header, which DJANGO_ALLOWED_HOSTS has to name, and at how many fields are sent."
    )


class BrokenOff(NetworkProblem):
    """The body of the request broke off."""

    code = "unreadable"
    status = 400
    remedy = "Send it again; if it happens each time, look at the proxy in between."


class SlowToArrive(NetworkProblem):
    """The request took too long to arrive."""

    code = "request-slow"
    status = 408
    remedy = "Send it again, over a line that is quick enough; nothing of it has been done."


class TooLarge(ValidationProblem):
    """The body of the request is too large."""

    code = "too-large"
    status = 413
    remedy = "Send less at a time; the message says how much is taken."


class Invalid(ValidationProblem):
    """The request does not fit."""

    code = "invalid"
    status = 422
    remedy = "Correct the fields that `errors` names."


class NoSuchAddress(ValidationProblem):
    """The API has no such address."""

    code = "no-such-address"
    status = 404
    remedy = "Look the address up in /api/docs. Paths end without a slash."


class NoSuchPage(ValidationProblem):
    """There is no such page, or what it showed was deleted."""

    code = "no-such-page"
    status = 404
    remedy = (
        "Begin at the list that it belongs to: what is not there was deleted, or is not for your account."
    )


class MethodNotAllowed(ValidationProblem):
    """The address does not take this method."""

    code = "method-not-allowed"
    status = 405
    remedy = "Use one of the methods in the Allow header."


class InternalError(SystemProblem):
    """It failed in a way that nobody foresaw; the log of medimgr says how."""

    code = "internal-error"
    status = 500
    remedy = "Look in the log of the process for the request or the operation, and report what stands there."


class DatabaseUnavailable(DatabaseProblem):
    """The database does not answer. Services go on running; try again in a moment."""

    code = "database-unavailable"
    status = 503
    remedy = "Look whether the database server runs, its disk is full, or something holds it locked."

    @property
    def headers(self) -> dict[str, str]:
        """Return when another try makes sense."""
        return {"Retry-After": "2"}


class DatabaseNotMigrated(DatabaseProblem):
    """The database has not the tables that this version of medimgr works with."""

    code = "database-not-migrated"
    status = 503
    remedy = "Run manage.py migrate, with the same settings as the server's."


class DeadlineOver(SystemProblem):
    """This took too long."""

    code = "request-deadline"
    status = 504
    remedy = "Look whether it was done before you try again. The log says which requests were given up."


class Restarting(SystemProblem):
    """The server is being restarted."""

    code = "server-restarting"
    status = 503
    remedy = "Try again: another web worker answers. Look first whether it was done."

    @property
    def headers(self) -> dict[str, str]:
        """Return when another try makes sense."""
        return {"Retry-After": "1"}
