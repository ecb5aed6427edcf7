"""Why a stream is refused."""

from typing import ClassVar

from medimgr.lib.problems import Problem


class StreamRefused(Problem):
    """The stream cannot be opened."""

    code = "stream-refused"
    status = 400
    retry_after: ClassVar[int | None] = None
    """Seconds after which another try makes sense, where waiting helps at all."""


class SignInFirst(StreamRefused):
    """Streams are for people who are signed in."""

    code = "not-logged-in"
    status = 401


class UnknownTopic(StreamRefused):
    """There is no such topic."""

    code = "unknown-topic"
    status = 400


class TooManyStreams(StreamRefused):
    """Too many streams are open."""

    code = "too-many-streams"
    status = 429
    retry_after = 15


class DatabaseAway(StreamRefused):
    """The database cannot be reached at the moment."""

    code = "database-away"
    status = 503
    retry_after = 5


class ShuttingDown(StreamRefused):
    """This web worker is stopping; another try reaches its successor."""

    code = "shutting-down"
    status = 503
    retry_after = 2


class NeedsAsgi(StreamRefused):
    """Streams need an ASGI server; this one speaks WSGI."""

    code = "needs-asgi"
    status = 501
