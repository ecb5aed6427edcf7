"""What the error codes of operations on services mean, each in a sentence."""

from monitoring.states import REASON_WORDS, Reason
from operations.words import declare_errors

_CODES = {
    "command-not-found": "Its program does not exist.",
    "not-executable": "Its program cannot be executed.",
    "cwd-missing": "The directory that it runs in does not exist.",
    "user-unknown": "The account that it runs as does not exist.",
    "group-unknown": "The group that it runs as does not exist.",
    "not-permitted": "The supervisor may not do this.",
    "too-many-files": "Too many files are open.",
    "too-many-processes": "The limit of processes is reached.",
    "no-memory": "There was not enough memory.",
    "log-unwritable": "Its log cannot be written.",
    "spawn-failed": "It could not be started.",
    "min-ready": "Too few others of its group were ready.",
    "roll-halted": "Another one of the roll did not become ready, so this one was left as it is.",
    "handed-over": "The supervisor handed its services over to the next one.",
    "target-gone": "The service was deleted meanwhile.",
}


def declare() -> None:
    """Say them on the pages of operations. Called once, when the app is ready."""
    reasons = {
        reason.value: f"{words[0].upper()}{words[1:]}."
        for reason, words in REASON_WORDS.items()
        if reason != Reason.NONE
    }
    declare_errors(reasons | _CODES)
