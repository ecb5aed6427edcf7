"""When a service is restarted, after how long, and when the supervisor gives up. Pure."""

from dataclasses import dataclass, replace

from monitoring.states import Reason, RestartPolicy
from monitoring.supervisor.happenings import Exited
from monitoring.supervisor.situation import After, Situation
from monitoring.supervisor.spec import ServiceSpec

KILL_AGAIN_SECONDS = 2.0
"""So long after a SIGKILL it is tried again on what still lives."""
FLAPPING_STREAK = 3
"""So many failures in a row without a stable run between them, and it is said to be flapping."""
JITTER = 0.1
"""Backoff times vary by this share, so that what failed together does not come back together."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows a failure: where the service goes, and the situation with the failure counted."""

    after: After
    situation: Situation


def is_success(exited: Exited, spec: ServiceSpec) -> bool:
    """Return whether the exit is one that the declaration calls a success."""
    if exited.signal:
        return exited.signal in spec.success_signals
    return exited.code is not None and exited.code in spec.success_codes


def reason_of(exited: Exited, spec: ServiceSpec) -> Reason:
    """Return what kind of end it was: after a fatal exit the service is given up."""
    if spec.fatal_codes and not exited.signal and exited.code in spec.fatal_codes:
        return Reason.FATAL_EXIT
    return Reason.COMPLETED if is_success(exited, spec) else Reason.CRASH


def in_words(exited: Exited) -> str:
    """Return how the process ended, for people."""
    if exited.signal:
        return f"killed by {exited.signal}"
    if exited.code is not None:
        return f"exited with code {exited.code}"
    return "ended while no supervisor was looking" if exited.unseen else "ended; its exit code is not known"


def delay(streak: int, spec: ServiceSpec, jitter: float) -> float:
    """Return the seconds before try number ``streak`` in a row; the 0th, after stability, is immediate.

    ``jitter`` is from -1 to 1 and shifts the delay by up to ten percent.
    """
    if streak <= 0:
        return 0.0
    # The exponent is bounded, since a float overflows long before a crash loop ends.
    return float(
        min(spec.backoff_cap, spec.backoff_base * 2.0 ** min(streak - 1, 60)) * (1 + JITTER * jitter)
    )


def after_failure(
    situation: Situation,
    spec: ServiceSpec,
    now: float,
    jitter: float,
    *,
    wanted: bool = True,
    failed: bool = True,
) -> Verdict:
    """Count a failure (or any end that is followed by a restart), and say what follows.

    ``wanted`` is False where the restart policy leaves it ended, ``failed`` where it ended with success.
    Auto-recovery turns itself off once ``max_failures`` fall into the window. A scheduled service is left
    ended until its time comes.
    """
    wanted = wanted and not spec.schedule
    window = tuple(at for at in situation.failures if now - at < spec.failure_window)
    # Without a maximum nobody asks how many there were, and a crash loop must not pile them up.
    failures = (*window, now) if spec.max_failures else ()
    streak = 0 if situation.stable or not (wanted or failed) else situation.streak + 1
    counted = replace(
        situation,
        failures=failures,
        streak=streak,
        delay=delay(streak, spec, jitter),
        flapping=failed and streak >= FLAPPING_STREAK,
    )
    if not wanted:
        return Verdict(After.EXITED, counted)
    if not situation.auto_recovery:
        return Verdict(After.EXITED, replace(counted, held=True))
    if spec.max_failures and len(failures) >= spec.max_failures:
        minutes = spec.failure_window / 60
        return Verdict(
            After.FATAL,
            replace(
                counted,
                auto_recovery=False,
                held=True,
                reason=Reason.AUTO_RECOVERY_OFF,
                detail=f"Failed {len(failures)} times within {minutes:g} minutes; the last time: "
                f"{situation.detail or 'unknown'}. Mend it, start it and turn auto-recovery on again.",
            ),
        )
    return Verdict(After.RETRY, counted)


def follows_exit(exited: Exited, spec: ServiceSpec) -> bool:
    """Return whether the restart policy wants a new process after this exit."""
    if spec.restart is RestartPolicy.ALWAYS:
        return True
    return spec.restart is RestartPolicy.ON_FAILURE and not is_success(exited, spec)
