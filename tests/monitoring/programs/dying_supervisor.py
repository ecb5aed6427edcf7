"""``manage.py supervise`` that kills itself with SIGKILL at one moment, which its argument names.

A moment is before or after one call deep inside the supervisor, or a while after it. What the database is
told then is what a supervisor that dies there tells it.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "medimgr.settings")
django.setup()

from django.core.management import call_command  # noqa: E402

from monitoring.states import State  # noqa: E402
from monitoring.supervisor.process import Process  # noqa: E402
from monitoring.supervisor.recording import Recorder  # noqa: E402
from monitoring.supervisor.starting import Starter  # noqa: E402

_FLUSHED_SECONDS = 0.4


def die() -> None:
    """End as a crash does."""
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: type, name: str) -> None:
    """Die instead of the call."""
    setattr(owner, name, lambda *args, **options: die())


def after(owner: type, name: str, when: Callable[..., bool] = lambda *_: True, wait: float = 0.0) -> None:
    """Die after the call, or ``wait`` seconds later; only where ``when`` says so of its arguments."""
    original = getattr(owner, name)

    def wrapped(*args: Any, **options: Any) -> Any:
        result = original(*args, **options)
        if when(*args):
            if not wait:
                die()
            threading.Timer(wait, die).start()
        return result

    setattr(owner, name, wrapped)


def into(state: State) -> Callable[..., bool]:
    """Return whether a record is about the entry into ``state``."""
    return lambda recorder, entry, situation, effect: (
        effect.after is state and effect.before is not effect.after
    )


MOMENTS: dict[str, Callable[[], None]] = {
    "between the journal and the spawn": lambda: before(Process, "spawn"),
    "between the spawn and its pid": lambda: after(Process, "spawn"),
    "between the pid and the database": lambda: after(Starter, "start"),
    "between the exit and the end of its group": lambda: before(Process, "kill_group"),
    "between the exit and its record": lambda: before(Recorder, "ended"),
    "between the record and the database": lambda: after(Recorder, "ended"),
    "before the signal to stop": lambda: before(Process, "signal"),
    "after the signal to stop": lambda: after(Process, "signal"),
    "while it stops": lambda: after(Process, "signal", wait=_FLUSHED_SECONDS),
    "on the way into the backoff": lambda: after(Recorder, "record", into(State.BACKOFF)),
    "in the backoff": lambda: after(Recorder, "record", into(State.BACKOFF), _FLUSHED_SECONDS),
}


def main() -> None:
    """Supervise until then."""
    MOMENTS[sys.argv[1]]()
    call_command("supervise")


main()
