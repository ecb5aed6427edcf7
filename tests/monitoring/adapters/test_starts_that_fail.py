"""A start that fails says why, in words and with a code, and leaves nothing behind."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from monitoring.supervisor.process import Process, SpawnError
from monitoring.supervisor.spec import ServiceSpec
from tests.monitoring.adapters.conftest import PROGRAMS, Spawner, exit_of
from tests.monitoring.adapters.unprivileged import as_nobody, shared_directory

ROOT = Path(__file__).parents[3]


def script(path: Path, text: str, mode: int = 0o755) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def failure(spawner: Spawner, *command: str, **fields: Any) -> SpawnError:
    """Return the error of a start that has to fail, having checked that nothing of it is left."""
    files, children = os.listdir("/proc/self/fd"), _children()
    with pytest.raises(SpawnError) as caught:
        spawner.spawn(*command, **fields)
    assert os.listdir("/proc/self/fd") == files
    assert _children() == children
    return caught.value


def _children() -> str:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()


def test_a_missing_program_is_named(spawner: Spawner) -> None:
    error = failure(spawner, "/no/such/program")
    assert error.code == "command-not-found"
    assert "/no/such/program" in error.detail
    assert not error.transient


def test_a_program_that_is_not_on_the_path_is_named_with_the_path(spawner: Spawner) -> None:
    error = failure(spawner, "no-such-program", env=(("PATH", "/bin:/nowhere"),))
    assert error.code == "command-not-found"
    assert "'no-such-program'" in error.detail
    assert "/bin:/nowhere" in error.detail


def test_a_missing_relative_program_is_named_with_its_directory(spawner: Spawner, tmp_path: Path) -> None:
    error = failure(spawner, "./run", cwd=str(tmp_path))
    assert error.code == "command-not-found"
    assert f"./run in {tmp_path}" in error.detail


def test_a_missing_directory_is_told_from_a_missing_program(spawner: Spawner) -> None:
    error = failure(spawner, "/bin/true", cwd="/no/such/directory")
    assert error.code == "cwd-missing"
    assert "/no/such/directory" in error.detail


def test_a_file_in_place_of_the_directory_is_named(spawner: Spawner, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    error = failure(spawner, "/bin/true", cwd=str(tmp_path / "file"))
    assert (error.code, "not a directory" in error.detail) == ("cwd-missing", True)


def test_a_missing_interpreter_is_told_from_a_missing_program(spawner: Spawner, tmp_path: Path) -> None:
    error = failure(spawner, script(tmp_path / "run", "#!/opt/no/python -u\n"))
    assert error.code == "not-executable"
    assert "/opt/no/python is missing" in error.detail


def test_a_file_that_is_not_executable_is_named(spawner: Spawner, tmp_path: Path) -> None:
    error = failure(spawner, script(tmp_path / "run", "#!/bin/sh\n", mode=0o644))
    assert (error.code, "chmod +x" in error.detail) == ("not-executable", True)


def test_a_file_on_the_path_that_is_not_executable_is_named(spawner: Spawner, tmp_path: Path) -> None:
    script(tmp_path / "run", "#!/bin/sh\n", mode=0o644)
    error = failure(spawner, "run", env=(("PATH", str(tmp_path)),))
    assert (error.code, str(tmp_path / "run") in error.detail) == ("not-executable", True)


def test_a_directory_in_place_of_the_program_is_named(spawner: Spawner, tmp_path: Path) -> None:
    error = failure(spawner, str(tmp_path))
    assert (error.code, "is a directory" in error.detail) == ("not-executable", True)


def test_a_program_that_nobody_can_run_is_named(spawner: Spawner, tmp_path: Path) -> None:
    error = failure(spawner, script(tmp_path / "run", "echo no first line\n"))
    assert (error.code, "#! line" in error.detail) == ("not-executable", True)


def test_a_dead_link_in_place_of_the_program_is_named(spawner: Spawner, tmp_path: Path) -> None:
    (tmp_path / "run").symlink_to("/no/such/target")
    error = failure(spawner, str(tmp_path / "run"))
    assert (error.code, "/no/such/target" in error.detail) == ("command-not-found", True)


def test_an_unknown_user_is_named(spawner: Spawner) -> None:
    error = failure(spawner, "/bin/true", user="nosuchuser")
    assert (error.code, "'nosuchuser'" in error.detail) == ("user-unknown", True)


def test_a_log_that_cannot_be_opened_is_named(spawner: Spawner, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    spawner.log = tmp_path / "file" / "it.log"
    error = failure(spawner, "/bin/true")
    assert (error.code, str(spawner.log) in error.detail) == ("log-unwritable", True)


def test_a_directory_in_place_of_the_log_is_named(spawner: Spawner) -> None:
    spawner.log.mkdir(parents=True)
    assert failure(spawner, "/bin/true").code == "log-unwritable"


@pytest.mark.parametrize("command", [(), ("",), ("/bin/echo", "a\0b"), ("/bin/echo", "x" * 3_000_000)])
def test_what_no_program_can_be_given_is_refused(spawner: Spawner, command: tuple[str, ...]) -> None:
    assert failure(spawner, *command).code == "spawn-failed"


def test_a_user_that_only_root_can_become_is_refused() -> None:
    with shared_directory() as directory:
        assert as_nobody(lambda: _spawn(directory, user="root")) == "supervisor-not-permitted"


def test_a_directory_that_may_not_be_entered_is_told_from_a_missing_one() -> None:
    with shared_directory() as directory:
        closed = directory / "closed"
        closed.mkdir(mode=0o700)
        (closed / "inner").mkdir()
        if os.geteuid() != 0:
            closed.chmod(0)
        assert as_nobody(lambda: _spawn(directory, cwd=str(closed))) == "supervisor-not-permitted"
        assert as_nobody(lambda: _spawn(directory, cwd=str(closed / "inner"))) == "supervisor-not-permitted"
        closed.chmod(0o700)


def test_too_many_processes_have_a_code_of_their_own() -> None:
    with shared_directory() as directory:

        def spawn() -> None:
            resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
            _spawn(directory)

        assert as_nobody(spawn) == "too-many-processes"


def _spawn(directory: Path, **fields: Any) -> None:
    log = directory / "x.log"
    Process.spawn(ServiceSpec("it", "It", ("/bin/true",), log_path=log, **fields), "run")


def test_running_out_of_open_files_leaves_nothing_behind_at_whatever_point(spawner: Spawner) -> None:
    spawner.log.parent.mkdir()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    codes = []
    for spare in range(12):
        free = _free_descriptor(spare)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
        files, children = None, None
        try:
            process = spawner.spawn("/bin/sleep", "60", spawning={"nofile": before})
        except SpawnError as error:
            codes.append(error.code)
        else:
            break
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
            files, children = os.listdir("/proc/self/fd"), _children()
        assert children.split() == []
        assert files == os.listdir("/proc/self/fd")
    else:
        raise AssertionError("It never started.")
    assert codes
    assert set(codes) == {"too-many-files"}
    assert resource.prlimit(process.identity.pid, resource.RLIMIT_NOFILE) == before


def _free_descriptor(spare: int) -> int:
    """Return the limit under which exactly ``spare`` more files can be opened."""
    used = {int(name) for name in os.listdir("/proc/self/fd")}
    free = (number for number in range(10_000) if number not in used)
    for _ in range(spare):
        next(free)
    return next(free)


def test_a_full_disk_does_not_keep_a_service_from_starting(spawner: Spawner) -> None:
    """Its log can be opened; each write to it fails, which is the service's own affair."""
    spawner.log.parent.mkdir()
    spawner.log.symlink_to("/dev/full")
    process = spawner.shell("echo lost; exit 7")
    assert exit_of(process).code == 7


def test_a_disk_without_room_for_the_log_file_does_not_either(tmp_path: Path) -> None:
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", sys.executable, str(PROGRAMS / "full_disk.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PLACE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode == errno.EPERM:
        pytest.skip(f"no file system can be mounted here: {done.stderr}")
    assert done.stdout == "it ran\n", done.stderr
