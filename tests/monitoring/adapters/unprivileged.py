"""Does things without any rights, for tests that root runs too."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from monitoring.supervisor.process import SpawnError


@contextlib.contextmanager
def shared_directory() -> Iterator[Path]:
    """Make a directory that everybody may write to; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="medimgr-shared-") as name:
        os.chmod(name, 0o777)
        yield Path(name)


def as_nobody(action: Callable[[], object]) -> str:
    """Run ``action`` in a fork of this process, without any rights.

    Returns the code of its SpawnError, or the name of whatever else it raised.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        answer = "no error"
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
            action()
        except SpawnError as error:
            answer = error.code
        except BaseException as error:
            answer = type(error).__name__
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read().decode()
    os.waitpid(pid, 0)
    return answer
