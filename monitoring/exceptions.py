"""What can go wrong when somebody asks about services."""

from medimgr.lib.problems import Problem


class MonitoringProblem(Problem):
    """The request about a service could not be met."""

    code = "monitoring-problem"
    status = 400


class UnknownService(MonitoringProblem):
    """There is no such service."""

    code = "unknown-service"
    status = 404


class UnknownNode(MonitoringProblem):
    """There is no such node."""

    code = "unknown-node"
    status = 404


class CannotScale(MonitoringProblem):
    """The service cannot have so many copies."""

    code = "cannot-scale"
    status = 422


class LogElsewhere(MonitoringProblem):
    """The log is on another machine."""

    code = "log-elsewhere"
    status = 409


class LogUnreadable(MonitoringProblem):
    """The log cannot be read."""

    code = "log-unreadable"
    status = 503


class NoLogYet(MonitoringProblem):
    """There is no log yet."""

    code = "no-log-yet"
    status = 404


class NoSuchArchive(MonitoringProblem):
    """That part of the log is not kept any more."""

    code = "no-such-archive"
    status = 404


class BadPattern(MonitoringProblem):
    """The regular expression makes no sense."""

    code = "bad-pattern"
    status = 422


class SearchTooSlow(MonitoringProblem):
    """This regular expression takes too long on this log: search for plain text, or for something simpler."""

    code = "search-too-slow"
    status = 422


class SearchBusy(MonitoringProblem):
    """Others are searching by regular expressions just now: try again soon, or search for plain text."""

    code = "search-busy"
    status = 503
