"""What operations on services end with: problems, and reasons for which a service is where it is."""

from monitoring.exceptions import HandedOver, MinReady, RollHalted
from monitoring.states import REASON_WORDS, Reason
from monitoring.supervisor.spawn_problems import KINDS
from operations.words import declare_errors

REASONS: dict[str, str] = {
    reason.value: f"{words[0].upper()}{words[1:]}."
    for reason, words in REASON_WORDS.items()
    if reason not in (Reason.NONE, Reason.PORT_BUSY)
}
"""The reasons in sentences, but for the one that is the code of a problem."""


def declare() -> None:
    """Say on the pages of operations what each means. Called once, when the app is ready."""
    declare_errors((*KINDS, MinReady, RollHalted, HandedOver), REASONS)
