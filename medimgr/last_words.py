"""How a command ends that did not foresee what happened: a sentence and an exit status, no traceback.

What nobody foresaw at all goes to the log, where secrets are masked; ``--traceback`` shows everything.
"""

import logging
import os
import sys
from collections.abc import Callable, Sequence

from django.core.exceptions import ImproperlyConfigured

from medimgr.lib.branches import ValidationProblem
from medimgr.lib.database_trouble import trouble_in
from medimgr.lib.problems import Problem
from medimgr.lib.request_problems import InternalError
from medimgr.lib.system_trouble import trouble_with

FAILED = 1
BAD_USAGE = 2
INTERRUPTED = 130


def run(command: Callable[[], None], arguments: Sequence[str]) -> None:
    """Carry out ``command``. Raises SystemExit where it fails: 1, or 2 for input that does not fit.

    With ``--traceback`` among the arguments it raises what the command raises.
    """
    if "--traceback" in arguments:
        command()
        return
    try:
        command()
    except BrokenPipeError:
        # Whoever read our output, such as head, has seen enough. Python flushes once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(FAILED) from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except ImproperlyConfigured:
        raise  # whoever starts us says it in its own way
    except Exception as error:
        problem = meaning_of(error)
        if problem is None:
            logging.getLogger("medimgr.command").error("The command failed.", exc_info=error)
            problem = InternalError(
                f"{type(error).__name__}, which nobody foresaw. The lines above say where it happened."
            )
        sys.stderr.write(f"{problem.code}: {problem.detail}\nWhat to do: {problem.remedy}\n")
        raise SystemExit(BAD_USAGE if isinstance(problem, ValidationProblem) else FAILED) from None


def meaning_of(error: Exception) -> Problem | None:
    """Return the problem that ``error`` is or stands for; None where nobody foresaw it. No query."""
    if isinstance(error, Problem):
        return error
    return trouble_in(error) or trouble_with(error)
