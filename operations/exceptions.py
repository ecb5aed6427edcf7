"""What can go wrong when something is asked for, and what an operation can end with."""

from medimgr.lib.branches import ValidationProblem
from medimgr.lib.problems import Problem
from medimgr.lib.refusals import NotAllowed
from medimgr.lib.request_problems import Invalid

NotPermitted = NotAllowed
BadFilter = Invalid


class OperationProblem(Problem, branch="Operation"):
    """The operation could not be accepted, or did not do what it was for."""


class UnknownKind(OperationProblem):
    """There is no such kind of operation."""

    code = "unknown-kind"
    status = 404
    remedy = (
        "Look the kinds up with manage.py operations kinds; a worker of an older version may lack a new one."
    )


class BadParameters(ValidationProblem):
    """The parameters do not fit this kind of operation."""

    code = "bad-parameters"
    status = 422
    remedy = "Correct what the message names; /api/docs and manage.py operations kinds describe each kind."


class ReasonWanted(ValidationProblem):
    """This kind of operation takes a reason, and none was given."""

    code = "reason-wanted"
    status = 422
    remedy = "Say why in `reason`: it is kept with the operation."


class UnknownBatch(OperationProblem):
    """There is no such batch any more."""

    code = "unknown-batch"
    status = 404
    remedy = "Look in the list of operations: batches are deleted with the last of their operations."


class UnknownChore(OperationProblem):
    """There is no such periodic work."""

    code = "unknown-chore"
    status = 404
    remedy = "Look the names up under Operations, Periodic work."


class TargetBusy(OperationProblem):
    """Another operation on the same target is still under way."""

    code = "target-busy"
    status = 409
    remedy = "Wait until the one that the message names has ended, or cancel it."


class TargetGone(OperationProblem):
    """What the operation was about does not exist any more."""

    code = "target-gone"
    status = 404
    remedy = "Nothing is left to act on; declare it again if it was deleted by mistake."


class OperationGone(OperationProblem):
    """There is no such operation any more; finished operations are deleted after a while."""

    code = "operation-gone"
    status = 404
    remedy = "Look in the audit for who asked for it; purge with a longer --keep-hours to keep operations."


class NotRetryable(OperationProblem):
    """Only an operation that failed, timed out or was cancelled can be asked for again."""

    code = "not-retryable"
    status = 409
    remedy = "Wait until it has ended; what succeeded is asked for anew instead."


class KeyReused(OperationProblem):
    """The idempotency key was used before for a different request."""

    code = "idempotency-key-reused"
    status = 409
    remedy = "Take a new key for every new request; the same key is for the same request sent twice."


class NotCancellable(OperationProblem):
    """The operation has finished; there is nothing to cancel."""

    code = "not-cancellable"
    status = 409
    remedy = "Look at how it ended, and undo it by another operation if need be."


class NotDone(OperationProblem):
    """Something of what was asked for did not come about."""

    code = "not-done"
    status = 409
    remedy = "Read above the message what failed and why; ask for those again once that is mended."


# --- what an operation ends with ----------------------------------------------------------------


class OperationFailed(Problem):
    """Raised by a handler to end its operation as FAILED: the base of failures with a code of their own."""


class CheckpointUnfit(OperationFailed, OperationProblem):
    """What it worked on has changed since it was begun, so it could not go on."""

    code = "checkpoint-unfit"
    status = 409
    remedy = "Look at the target, then ask for it afresh instead of again."


class LeaseLost(OperationProblem):
    """Whoever carried it out was lost half-way, and how far it came is not known."""

    code = "lease-lost"
    status = 409
    remedy = "Look at the target, then ask again if need be. The log of the worker says why it ended."


class OutOfTime(OperationProblem):
    """It ran out of time."""

    code = "timeout"
    status = 504
    remedy = "Look whether its worker or supervisor runs and what the target does, before asking again."


class WorkerStopped(OperationProblem):
    """The operations worker was stopped while it was under way."""

    code = "worker-stopped"
    status = 503
    remedy = (
        "Ask again once the worker runs; give it a longer --grace-seconds where this happens at each restart."
    )


class NoHandler(OperationProblem):
    """No operations worker can carry out this kind."""

    code = "no-handler"
    status = 501
    remedy = "Nothing can be done about it from outside: report it."


class Superseded(OperationProblem):
    """A newer request on the same target took its place."""

    code = "superseded"
    status = 409
    remedy = "Look at the newer request: it is what happens now."


class CancelledByRequest(OperationProblem):
    """It was cancelled."""

    code = "cancelled"
    status = 409
    remedy = "Ask for it again if it is wanted after all."


class Cancelled(Exception):
    """Raised inside a handler, at a check, when its operation was asked to stop."""
