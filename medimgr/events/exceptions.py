"""Why a stream is refused."""

from typing import ClassVar

from medimgr.lib.branches import (
    ConfigurationProblem,
    DatabaseProblem,
    SystemProblem,
    ValidationProblem,
)
from medimgr.lib.problems import Problem
from medimgr.lib.refusals import NotLoggedIn


class StreamRefused(Problem):
    """The stream cannot be opened: the base of the reasons for that."""

    retry_after: ClassVar[int | None] = None
    """Seconds after which another try makes sense, where waiting helps at all."""

    @property
    def headers(self) -> dict[str, str]:
        """Return when to try again, beside what else belongs to the answer."""
        own = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return super().headers | own


class SignInFirst(StreamRefused, NotLoggedIn):
    """Streams are for people who are signed in."""


class UnknownTopic(StreamRefused, ValidationProblem):
    """There is no such topic."""

    code = "unknown-topic"
    status = 400
    remedy = "Leave `topics` out for all that the account may see, or name some of those in the message."


class TooManyStreams(StreamRefused, SystemProblem):
    """Too many streams are open."""

    code = "too-many-streams"
    status = 429
    remedy = (
        "Close pages, or raise MEDIMGR_STREAM_MAX_PER_ADDRESS or MEDIMGR_STREAM_MAX_CONNECTIONS; behind a "
        "proxy name it in MEDIMGR_TRUSTED_PROXIES, so that its clients do not count as one."
    )
    retry_after = 15


class DatabaseAway(StreamRefused, DatabaseProblem):
    """The database cannot be reached at the moment."""

    code = "database-away"
    status = 503
    remedy = "Look whether the database answers. The page tries again by itself, and misses nothing."
    retry_after = 5


class ShuttingDown(StreamRefused, SystemProblem):
    """This web worker is stopping; another try reaches its successor."""

    code = "shutting-down"
    status = 503
    remedy = "Nothing: the page comes back by itself, at another web worker."
    retry_after = 2


class NeedsAsgi(StreamRefused, ConfigurationProblem):
    """Streams need an ASGI server; this one speaks WSGI."""

    code = "needs-asgi"
    status = 501
    remedy = "Run medimgr with manage.py up, or serve medimgr.asgi:application with Daphne."
