"""A successor takes over its predecessor's processes, and never a stranger."""

import errno
import os
import platform
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from monitoring.states import ExitSource
from monitoring.supervisor.exits import Exit, exit_of_stranger
from monitoring.supervisor.identity import Identity, boot_id, read_environ, read_stat
from monitoring.supervisor.process import Process
from tests.monitoring.adapters.conftest import PROGRAMS, Spawner, end, exit_of, gone
from tests.monitoring.adapters.unprivileged import as_nobody
from tests.running import wait_for

ROOT = Path(__file__).parents[3]
KNOWN_AFTER_REAPING = pytest.mark.skipif(
    tuple(map(int, re.findall(r"\d+", platform.release())[:2])) < (6, 15),
    reason="this kernel keeps nothing about a process that was reaped",
)


class Parent:
    """A process with one child that it reaps only when told to, as a PID 1 may do it."""

    def __init__(self, *command: str, marker: str = "run") -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-I", "-S", str(PROGRAMS / "parent.py"), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"MEDIMGR_RUN_ID": marker, "PATH": os.environ["PATH"]},
        )
        assert self._popen.stdout is not None
        pid = int(self._popen.stdout.readline())
        # Between the closing of its files and its first step, a new program has no environment yet.
        wait_for(lambda: gone(pid) or read_environ(pid) or "-i" in command, 5, "it is on its way")
        entry = read_stat(pid)
        assert entry is not None
        self.identity = Identity(pid, entry.start_ticks, boot_id(), "run")

    def reap(self) -> None:
        """Let it reap its child."""
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._popen.stdin.write("reap\n")
        self._popen.stdin.flush()
        assert self._popen.stdout.readline() == "reaped\n"

    def close(self) -> None:
        end(self.identity.pid)
        self._popen.kill()
        self._popen.communicate()


@pytest.fixture
def sleeping() -> Iterator[Parent]:
    parent = Parent("/bin/sleep", "60")
    yield parent
    parent.close()


def adopted(identity: Identity) -> Process:
    process = Process.adopt(identity)
    assert process is not None
    return process


def test_a_running_process_is_taken_over_and_can_be_stopped(sleeping: Parent) -> None:
    process = adopted(sleeping.identity)
    assert process.identity == sleeping.identity
    assert process.poll_exit() is None
    process.signal("SIGTERM")
    wait_for(lambda: gone(sleeping.identity.pid), 5, "it ends")
    process.close()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exit 42", Exit(42, "", ExitSource.PROC)),
        ("exit 0", Exit(0, "", ExitSource.PROC)),
        ("kill -9 $$", Exit(None, "SIGKILL", ExitSource.PROC)),
    ],
)
def test_an_end_that_nobody_has_collected_is_read_from_the_zombie(script: str, expected: Exit) -> None:
    """As under a PID 1 that does not reap: signalling it would still succeed (scenarios 18 and 21)."""
    parent = Parent("/bin/sh", "-c", f"sleep 0.2; {script}")
    try:
        process = adopted(parent.identity)
        assert exit_of(process) == expected
        os.kill(parent.identity.pid, 0)
        process.reap()
        process.close()
    finally:
        parent.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have processes of two users")
def test_an_exit_code_that_the_kernel_hides_is_not_taken_for_success() -> None:
    """It shows 0 to those who may not look into the process."""
    parent = Parent("/bin/sh", "-c", "exit 6")
    try:
        wait_for(lambda: gone(parent.identity.pid), 5, "it ends")

        def look() -> None:
            found = adopted(parent.identity).poll_exit()
            assert found == Exit(None, "", ExitSource.UNKNOWN), found

        assert as_nobody(look) == "no error"
    finally:
        parent.close()


def test_one_that_is_a_zombie_already_is_taken_over_for_its_exit_code() -> None:
    parent = Parent("/bin/sh", "-c", "exit 6")
    try:
        wait_for(lambda: gone(parent.identity.pid), 5, "it ends")
        process = adopted(parent.identity)
        assert process.poll_exit() == Exit(6, "", ExitSource.PROC)
        process.close()
    finally:
        parent.close()


@KNOWN_AFTER_REAPING
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("read line; exit 42", Exit(42, "", ExitSource.PIDFD)),
        ("read line; exit 0", Exit(0, "", ExitSource.PIDFD)),
        ("read line; kill -9 $$", Exit(None, "SIGKILL", ExitSource.PIDFD)),
    ],
)
def test_an_end_that_somebody_else_has_collected_is_told_by_the_pidfd(
    tmp_path: Path, script: str, expected: Exit
) -> None:
    """As under a PID 1 or a subreaper that reaps before we look (scenario 18)."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    parent = Parent("/bin/sh", "-c", f"exec < {fifo}; {script}")
    try:
        process = adopted(parent.identity)
        fifo.write_text("go on\n")
        parent.reap()
        assert process.poll_exit() == expected
        assert process.poll_exit() == expected
        process.kill_group()
        process.close()
    finally:
        parent.close()


def test_an_end_that_nobody_can_tell_of_is_unknown(sleeping: Parent) -> None:
    """A pipe stands for the pidfd of a kernel that keeps nothing about what was reaped (scenario 18)."""
    os.kill(sleeping.identity.pid, signal.SIGTERM)
    sleeping.reap()
    ends = os.pipe()
    assert exit_of_stranger(ends[0], sleeping.identity) == Exit(None, "", ExitSource.UNKNOWN)
    assert "not known" in Exit(None, "", ExitSource.UNKNOWN).describe()
    for end_of_pipe in ends:
        os.close(end_of_pipe)


def test_the_same_supervisor_started_anew_by_exec_still_is_the_parent(spawner: Spawner) -> None:
    first = spawner.spawn("/bin/sleep", "60")
    process = adopted(first.identity)
    os.kill(first.identity.pid, signal.SIGKILL)
    assert exit_of(process) == Exit(None, "SIGKILL", ExitSource.WAIT)
    process.close()


@pytest.mark.parametrize(
    "forged",
    [{"start_ticks": 1}, {"boot_id": "another"}, {"boot_id": ""}, {"pid": 2**22}, {"pid": 0}, {"pid": -1}],
)
def test_a_stranger_is_refused(sleeping: Parent, forged: dict[str, int | str]) -> None:
    files = os.listdir("/proc/self/fd")
    assert Process.adopt(replace(sleeping.identity, **forged)) is None  # type: ignore[arg-type]
    assert os.listdir("/proc/self/fd") == files
    assert not gone(sleeping.identity.pid)


def test_one_that_has_gone_is_refused(sleeping: Parent) -> None:
    os.kill(sleeping.identity.pid, signal.SIGKILL)
    sleeping.reap()
    assert Process.adopt(sleeping.identity) is None


def test_one_with_another_runs_marker_is_refused() -> None:
    """The pid may have been reused within the tick that start times are counted in."""
    parent = Parent("/bin/sleep", "60", marker="another-run")
    try:
        assert Process.adopt(parent.identity) is None
    finally:
        parent.close()


def test_one_that_has_rewritten_its_environment_is_taken_over() -> None:
    parent = Parent("/usr/bin/env", "-i", "/bin/sleep", "60")
    try:
        environ = Path(f"/proc/{parent.identity.pid}/environ")
        wait_for(lambda: environ.read_bytes() == b"", 5, "its environment is empty")
        process = adopted(parent.identity)
        process.close()
    finally:
        parent.close()


def test_a_reused_pid_is_neither_taken_over_nor_signalled() -> None:
    """For real, in a PID namespace of its own, where the next pid can be chosen (scenario 18)."""
    done = subprocess.run(
        [
            *("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"),
            *(sys.executable, str(PROGRAMS / "reuse_a_pid.py")),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode == errno.EPERM or "unshare" in done.stderr:
        pytest.skip(f"no PID namespace can be made here: {done.stderr}")
    assert done.stdout == "the stranger lives\n", done.stderr
