"""What can go wrong when something is asked for."""

from medimgr.lib.problems import Problem


class OperationProblem(Problem):
    """The operation could not be accepted."""

    code = "operation-problem"
    status = 400


class UnknownKind(OperationProblem):
    """There is no such kind of operation."""

    code = "unknown-kind"
    status = 404


class BadParameters(OperationProblem):
    """The parameters do not fit this kind of operation."""

    code = "bad-parameters"
    status = 422


class ReasonWanted(OperationProblem):
    """This kind of operation takes a reason, and none was given."""

    code = "reason-wanted"
    status = 422


class UnknownBatch(OperationProblem):
    """There is no such batch any more."""

    code = "unknown-batch"
    status = 404


class BadFilter(OperationProblem):
    """The request does not fit."""

    # As every other field that can't be meant.
    code = "invalid"
    status = 422


class UnknownChore(OperationProblem):
    """There is no such periodic work."""

    code = "unknown-chore"
    status = 404


class TargetBusy(OperationProblem):
    """Another operation on the same target is still under way."""

    code = "target-busy"
    status = 409


class TargetGone(OperationProblem):
    """What the operation was about does not exist any more."""

    code = "target-gone"
    status = 404


class OperationGone(OperationProblem):
    """There is no such operation any more; finished operations are deleted after a while."""

    code = "operation-gone"
    status = 404


class NotRetryable(OperationProblem):
    """Only an operation that failed, timed out or was cancelled can be asked for again."""

    code = "not-retryable"
    status = 409


class KeyReused(OperationProblem):
    """The idempotency key was used before for a different request."""

    code = "idempotency-key-reused"
    status = 409


class NotPermitted(OperationProblem):
    """You may not do this."""

    code = "not-permitted"
    status = 403


class NotCancellable(OperationProblem):
    """The operation has finished; there is nothing to cancel."""

    code = "not-cancellable"
    status = 409


class LeaseLost(OperationProblem):
    """Somebody else owns or has ended this operation: stop working on it."""

    code = "lease-lost"
    status = 409


class OperationFailed(Exception):
    """Raised by a handler to end its operation as FAILED with a stable ``code`` and a message."""

    def __init__(self, code: str, detail: str) -> None:
        """Take the code for programs and the detail for people."""
        self.code = code
        self.detail = detail
        super().__init__(detail)


class Cancelled(Exception):
    """Raised inside a handler, at a check, when its operation was asked to stop."""
