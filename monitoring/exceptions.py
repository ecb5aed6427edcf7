"""What can go wrong when somebody asks about services, or asks something of them."""

from medimgr.lib.branches import FileSystemProblem, SystemProblem, ValidationProblem
from operations.exceptions import OperationFailed


class UnknownService(SystemProblem):
    """There is no such service."""

    code = "unknown-service"
    status = 404
    remedy = "Look it up in the list: it was deleted, has another key, or is not for your account."


class UnknownNode(SystemProblem):
    """There is no such node."""

    code = "unknown-node"
    status = 404
    remedy = "Name one on which a supervisor has run; the page of services lists them."


class CannotScale(ValidationProblem):
    """The service cannot have so many copies."""

    code = "cannot-scale"
    status = 422
    remedy = "Take a number that the message allows; the declaration says what differs from copy to copy."


class LogElsewhere(FileSystemProblem):
    """The log is on another machine."""

    code = "log-elsewhere"
    status = 409
    remedy = "Read it on the node that the message names: its web worker can."


class LogUnreadable(FileSystemProblem):
    """The log cannot be read."""

    code = "log-unreadable"
    status = 503
    remedy = "Let the user that medimgr runs as read the directory of logs and what is in it."


class NoLogYet(FileSystemProblem):
    """There is no log yet."""

    code = "no-log-yet"
    status = 404
    remedy = "Start the service: it has written nothing so far, or its log was deleted."


class NoSuchArchive(FileSystemProblem):
    """That part of the log is not kept any more."""

    code = "no-such-archive"
    status = 404
    remedy = "Take one that the list of archives names; keep more of them in the service's declaration."


class BadPattern(ValidationProblem):
    """The regular expression makes no sense."""

    code = "bad-pattern"
    status = 422
    remedy = "Correct it where the message says, or search for plain text."


class SearchTooSlow(ValidationProblem):
    """This regular expression takes too long on this log: search for plain text, or for something simpler."""

    code = "search-too-slow"
    status = 422
    remedy = "Search for plain text, or leave out repetitions of repetitions."


class SearchBusy(SystemProblem):
    """Others are searching by regular expressions just now: try again soon, or search for plain text."""

    code = "search-busy"
    status = 503
    remedy = "Try again in a few seconds; plain text can be searched for at any time."


# --- what operations on services end with, beside what a start fails with and the reasons ----------


class MinReady(OperationFailed, SystemProblem):
    """Too few others of its group were ready."""

    code = "min-ready"
    status = 409
    remedy = "Look why the others are not ready, or restart it without rolling."


class RollHalted(OperationFailed, SystemProblem):
    """Another one of the roll did not become ready, so this one was left as it is."""

    code = "roll-halted"
    status = 409
    remedy = "Mend the one that the message names, then restart the rest."


class HandedOver(OperationFailed, SystemProblem):
    """The supervisor handed its services over to the next one."""

    code = "handed-over"
    status = 503
    remedy = "Ask again: the next supervisor has the services, as they were."


# --- at the command line ----------------------------------------------------------------------------


class NotConfirmed(ValidationProblem):
    """The warning was not confirmed; nothing was requested."""

    code = "not-confirmed"
    status = 409
    remedy = "Read the warning, then answer yes, or give --yes."


class NoSupervisor(SystemProblem):
    """No supervisor would carry this out; nothing was requested."""

    code = "no-supervisor"
    status = 503
    remedy = "Start `manage.py supervise` (or `up`) on the node, or see in its log why it ended."
