"""Which problems each address of the API may answer with, beside those of all. For its description."""

import re
from collections.abc import Iterator

from medimgr.accounts import exceptions as accounts
from medimgr.lib.file_faults import FileProblem
from medimgr.lib.problems import Problem
from medimgr.lib.sealing import NoKey
from monitoring import exceptions as services
from operations import exceptions as operations
from workstations import exceptions as workstations

Kinds = tuple[type[Problem], ...]

ASKED: Kinds = (
    operations.BadParameters,
    operations.ReasonWanted,
    operations.TargetBusy,
    operations.KeyReused,
)
"""Whatever asks for an operation."""
READ_LOG: Kinds = (services.NoLogYet, services.LogElsewhere, services.LogUnreadable)

# Methods, a pattern of paths behind /api/, and what is said there. All that fit count.
RULES: tuple[tuple[str, str, Kinds], ...] = (
    (
        "POST",
        "auth/login",
        (accounts.LoginRefused, accounts.TooManyLogins, accounts.TokensNotConfigured),
    ),
    (
        "POST",
        "auth/refresh",
        (accounts.TokenInvalid, accounts.TokenExpired, accounts.TokensNotConfigured),
    ),
    (
        "POST",
        "auth/logout",
        (accounts.TokenInvalid, accounts.TokenExpired, accounts.NotALogin, accounts.TokensNotConfigured),
    ),
    ("GET", "status", (services.UnknownNode,)),
    ("POST", "services/batch", ASKED),
    ("POST", "services/import", (FileProblem, services.UnknownNode, *ASKED)),
    (".*", r"services/\{key\}.*", (services.UnknownService,)),
    ("POST", r"services/\{key\}/(start|stop|restart|auto-recovery)", ASKED),
    ("POST", r"services/\{key\}/scale", (services.CannotScale,)),
    ("GET", r"services/\{key\}/log.*", READ_LOG),
    ("GET", r"services/\{key\}/log", (services.BadPattern, services.SearchTooSlow, services.SearchBusy)),
    ("GET", r"services/\{key\}/log/download", (services.NoSuchArchive,)),
    ("GET", "operations", (operations.BadFilter,)),
    ("POST", "operations", (operations.UnknownKind, operations.TargetGone, *ASKED)),
    ("POST", "operations/cancel", (operations.BadFilter,)),
    (".*", r"operations/\{operation_id\}.*", (operations.OperationGone,)),
    ("POST", r"operations/\{operation_id\}/cancel", (operations.NotCancellable,)),
    (
        "POST",
        r"operations/\{operation_id\}/retry",
        (operations.NotRetryable, operations.UnknownKind, operations.TargetGone, *ASKED),
    ),
    (".*", r"operations/batches/\{batch_id\}.*", (operations.UnknownBatch,)),
    ("POST", r"operations/batches/\{batch_id\}/cancel", (operations.NotCancellable,)),
    (
        "POST",
        r"operations/batches/\{batch_id\}/retry",
        (operations.NotRetryable, operations.UnknownKind, *ASKED),
    ),
    ("POST", r"operations/chores/\{name\}/run", (operations.UnknownChore,)),
    ("DELETE", "operations/cleanup", ASKED),
    ("POST", "workstations", (workstations.BadWorkstation, NoKey)),
    ("PATCH", r"workstations/\{workstation_id\}", (workstations.BadWorkstation, NoKey)),
    ("POST", "workstations/batch-.*", ASKED),
    ("POST", "workstations/import", (FileProblem, workstations.BadWorkstation)),
    (".*", r"workstations/\{workstation_id\}.*", (workstations.UnknownWorkstation,)),
    ("POST", r"workstations/\{workstation_id\}/.*", ASKED),
    ("POST", "emulators/batch-.*", (workstations.UnknownWorkstation, *ASKED)),
    (".*", r"emulators/\{emulator_id\}.*", (workstations.UnknownEmulator,)),
    ("(POST|DELETE)", r"emulators/\{emulator_id\}.*", ASKED),
)


def failures_of(method: str, path: str) -> Iterator[type[Problem]]:
    """Yield what ``method`` (in capitals) on ``path``, as the description has it, may answer with. Pure."""
    place = path.removeprefix("/api/")
    for methods, pattern, kinds in RULES:
        if re.fullmatch(methods, method) and re.fullmatch(pattern, place):
            yield from kinds
