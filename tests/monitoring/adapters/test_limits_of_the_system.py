"""Resource limits, nice and group hold from a program's first instruction, in it alone (scenario 12)."""

import grp
import os
import pwd
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from monitoring.supervisor.identity import read_stat
from monitoring.supervisor.process import Process, SpawnError
from monitoring.supervisor.spec import ResourceLimit, ServiceSpec
from monitoring.supervisor.system_limits import hard_limits_raised
from tests.monitoring.adapters.conftest import Spawner, exit_of
from tests.monitoring.adapters.unprivileged import as_nobody, shared_directory

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change user, group and nice freely")


def can_raise_limits() -> bool:
    status = Path("/proc/self/status").read_text()
    return bool(int(status.split("CapEff:")[1].split()[0], 16) >> 24 & 1)


def shows(spawner: Spawner, expression: str, **fields: Any) -> str:
    """Return what Python finds in the started program."""
    exit_of(
        spawner.spawn(
            sys.executable, "-I", "-S", "-c", f"import os, resource as r; print(({expression}))", **fields
        )
    )
    return spawner.text().strip()


@contextmanager
def nothing_of_ours_changes() -> Iterator[None]:
    def now() -> list[object]:
        limits = [resource.getrlimit(number) for number in range(16)]
        return [limits, os.getpriority(os.PRIO_PROCESS, 0), os.listdir("/proc/self/task")]

    before = now()
    yield
    assert now() == before


def test_limits_hold_in_the_program_and_not_in_the_supervisor(spawner: Spawner) -> None:
    with nothing_of_ours_changes():
        limits = (
            ResourceLimit("nofile", 100, 200),
            ResourceLimit("core", 0, 0),
            ResourceLimit("stack", 2**20, 2**24),
        )
        process = spawner.shell(
            "ulimit -Sn; ulimit -Hn; ulimit -c; ulimit -s; cat /proc/self/comm", rlimits=limits
        )
        assert exit_of(process).code == 0
    assert spawner.text().split() == ["100", "200", "0", "1024", "cat"]


def test_an_unlimited_limit_is_one(spawner: Spawner) -> None:
    if resource.getrlimit(resource.RLIMIT_CPU)[1] != resource.RLIM_INFINITY:
        pytest.skip("the hard limit of this machine is lower")
    limits = (ResourceLimit("cpu", 60, None),)
    assert shows(spawner, "r.getrlimit(r.RLIMIT_CPU)", rlimits=limits) == "(60, -1)"


def test_the_pid_is_the_programs_own_and_its_limits_hold_at_once(spawner: Spawner) -> None:
    process = spawner.shell("echo $$; ulimit -n; exec sleep 60", rlimits=(ResourceLimit("nofile", 64, 64),))
    spawner.wait_for_line("64")
    assert spawner.text().split() == [str(process.identity.pid), "64"]


def test_declared_open_files_win_over_the_usual_ones_and_others_do_not(spawner: Spawner) -> None:
    usual = (512, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    for limits, expected in (
        ((ResourceLimit("nofile", 64, 128),), "(64, 128)"),
        ((ResourceLimit("core", 0, 0),), str(usual)),
        ((), str(usual)),
    ):
        spawner.log.unlink(missing_ok=True)
        # Asked late: the usual limit is set from outside, just after the start.
        script = "import resource as r, time; time.sleep(0.3); print(r.getrlimit(r.RLIMIT_NOFILE))"
        command = (sys.executable, "-I", "-S", "-c", script)
        exit_of(spawner.spawn(*command, rlimits=limits, spawning={"nofile": usual}))
        assert spawner.text().strip() == expected


def test_a_limit_reaches_its_children(spawner: Spawner) -> None:
    exit_of(spawner.shell("sh -c 'ulimit -n' & wait", rlimits=(ResourceLimit("nofile", 77, 77),)))
    assert spawner.text() == "77\n"


def test_nice_holds_in_the_program_and_not_in_the_supervisor(spawner: Spawner) -> None:
    with nothing_of_ours_changes():
        assert shows(spawner, "os.getpriority(os.PRIO_PROCESS, 0)", nice=7) == "7"


def test_one_started_from_a_thread_is_our_child_all_the_same(spawner: Spawner) -> None:
    process = spawner.shell("exit 3", nice=5)
    assert exit_of(process).code == 3
    entry = read_stat(process.identity.pid)
    assert entry is not None
    assert (entry.ppid, entry.state) == (os.getpid(), "Z")


@AS_ROOT
def test_root_may_be_less_nice(spawner: Spawner) -> None:
    assert shows(spawner, "os.getpriority(os.PRIO_PROCESS, 0)", nice=-5) == "-5"
    assert os.getpriority(os.PRIO_PROCESS, 0) != -5


@AS_ROOT
def test_a_nice_value_counts_for_its_session_where_the_kernel_groups_by_session(spawner: Spawner) -> None:
    if not os.path.exists("/proc/self/autogroup"):
        pytest.skip("this kernel schedules no sessions")
    process = spawner.shell("exec sleep 60", nice=9)
    text = Path(f"/proc/{process.identity.pid}/autogroup").read_text()
    assert text.endswith("nice 9\n") or not text.strip(), text


@AS_ROOT
def test_user_group_limits_and_nice_go_together(spawner: Spawner) -> None:
    group = grp.getgrnam("daemon")
    nobody = pwd.getpwnam("nobody")
    with nothing_of_ours_changes():
        exit_of(
            spawner.shell(
                "id -u; id -g; ulimit -Hn; nice; id -G",
                user="nobody",
                user_group="daemon",
                nice=-3,
                rlimits=(ResourceLimit("nofile", 90, 90),),
            )
        )
    uid, gid, hard, nice, *groups = spawner.text().split()
    assert (uid, gid, hard, nice) == (str(nobody.pw_uid), str(group.gr_gid), "90", "-3")
    assert set(map(int, groups)) == set(os.getgrouplist("nobody", group.gr_gid))


@AS_ROOT
def test_a_group_alone_leaves_the_user(spawner: Spawner) -> None:
    gid = grp.getgrnam("daemon").gr_gid
    assert shows(spawner, "os.getuid(), os.getresgid()", user_group="daemon") == str((0, (gid,) * 3))


@AS_ROOT
def test_libraries_that_the_environment_names_are_not_trusted_by_root(
    spawner: Spawner, tmp_path: Path
) -> None:
    """The program that sets the limits runs with the service's environment, so it has to run as its user."""
    exit_of(
        spawner.shell(
            "true",
            user="nobody",
            rlimits=(ResourceLimit("nofile", 90, 90),),
            env=(("LD_DEBUG", "files"), ("LD_DEBUG_OUTPUT", str(tmp_path / "trace"))),
        )
    )
    # Nobody may not write into the test's directory; root could.
    assert not list(tmp_path.glob("trace*"))


@pytest.mark.skipif(not can_raise_limits(), reason="this needs the capability SYS_RESOURCE")
def test_root_may_raise_a_hard_limit(spawner: Spawner) -> None:
    hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    if hard == resource.RLIM_INFINITY:
        pytest.skip("there is nothing above unlimited")
    with nothing_of_ours_changes():
        limits = (ResourceLimit("memlock", 4096, hard + 4096),)
        exit_of(spawner.shell("grep locked /proc/self/limits", rlimits=limits, user="nobody"))
    assert spawner.text().split()[3:5] == ["4096", str(hard + 4096)]


def test_our_own_hard_limits_are_left_alone_where_none_is_to_be_higher() -> None:
    spec = ServiceSpec(
        "it", "It", ("it",), rlimits=(ResourceLimit("core", 0, 0), ResourceLimit("nofile", 9, 9))
    )
    with nothing_of_ours_changes(), hard_limits_raised(spec), nothing_of_ours_changes():
        pass


# --- what cannot be -------------------------------------------------------------------------------

NOFILE = (ResourceLimit("nofile", 64, 64),)


def failure(spawner: Spawner, *command: str, **fields: Any) -> SpawnError:
    with nothing_of_ours_changes(), pytest.raises(SpawnError) as caught:
        spawner.spawn(*command, **fields)
    assert Path(f"/proc/self/task/{os.getpid()}/children").read_text() == ""
    return caught.value


@pytest.mark.parametrize("with_limits", [True, False])
def test_what_cannot_be_started_says_why_with_and_without_limits(
    spawner: Spawner, tmp_path: Path, with_limits: bool
) -> None:
    """Scenario 12, and that the program which sets the limits hides none of it."""

    def script(name: str, text: str, mode: int = 0o755) -> str:
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
        return str(tmp_path / name)

    (tmp_path / "dead").symlink_to("/no/such/target")
    for command, fields, code, words in (
        ("/no/such/program", {}, "command-not-found", "no file /no/such/program"),
        ("no-such-program", {}, "command-not-found", "on the PATH"),
        ("./run", {"cwd": str(tmp_path)}, "command-not-found", f"./run in {tmp_path}"),
        ("/bin/true", {"cwd": "/no/such/directory"}, "cwd-missing", "/no/such/directory"),
        (script("a", "#!/opt/no/python\n"), {}, "not-executable", "/opt/no/python is missing"),
        (script("b", "#!/bin/sh\n", 0o644), {}, "not-executable", "chmod +x"),
        (script("c", "echo no first line\n"), {}, "not-executable", "#! line"),
        (str(tmp_path), {}, "not-executable", "is a directory"),
        (str(tmp_path / "dead"), {}, "command-not-found", "/no/such/target"),
        ("/bin/true", {"user": "nosuchuser"}, "user-unknown", "'nosuchuser'"),
        ("/bin/true", {"user_group": "nosuchgroup"}, "group-unknown", "'nosuchgroup'"),
    ):
        limits = NOFILE if with_limits else ()
        error = failure(spawner, command, rlimits=limits, **fields)
        assert (error.code, words in error.detail) == (code, True), error.detail


@AS_ROOT
@pytest.mark.parametrize("limits", [NOFILE, ()])
def test_a_program_that_its_user_may_not_run_says_so(
    spawner: Spawner, tmp_path: Path, limits: tuple[ResourceLimit, ...]
) -> None:
    program = tmp_path / "mine"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    error = failure(spawner, str(program), user="nobody", rlimits=limits)
    assert (error.code, "by nobody" in error.detail) == ("not-executable", True)
    error = failure(spawner, "/bin/true", user="nobody", rlimits=limits, cwd="/no/such")
    assert error.code == "cwd-missing"


def test_limits_that_make_no_sense_are_refused(spawner: Spawner) -> None:
    error = failure(spawner, "/bin/true", rlimits=(ResourceLimit("nofiles", 1, 1),))
    assert "no resource limit 'nofiles'" in error.detail
    error = failure(spawner, "/bin/true", rlimits=(ResourceLimit("nofile", 9, 8),))
    assert "to be 9, but at most 8" in error.detail
    error = failure(spawner, "/bin/true", rlimits=(ResourceLimit("nofile", 9, None),))
    assert error.code == "supervisor-not-permitted"


def test_a_machine_without_prlimit_says_so(spawner: Spawner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitoring.supervisor.system_limits._TOOLS_PATH", "/no/such/place")
    error = failure(spawner, "/bin/true", rlimits=NOFILE)
    assert (error.code, "Install util-linux" in error.detail) == ("spawn-failed", True)


def _as_nobody(directory: Path, *command: str, **fields: Any) -> Callable[[], None]:
    log = directory / "x.log"
    spec = ServiceSpec("it", "It", command or ("/bin/true",), log_path=log, **fields)

    def spawn() -> None:
        Process.spawn(spec, "run")

    return spawn


def test_an_ordinary_user_cannot_do_what_only_root_can() -> None:
    more = resource.getrlimit(resource.RLIMIT_NOFILE)[1] + 1
    with shared_directory() as directory:
        for fields in (
            {"nice": -5},
            {"rlimits": (ResourceLimit("nofile", 64, more),)},
            {"user_group": "daemon"},
            {"user_group": "daemon", "rlimits": NOFILE},
            {"user": "root", "rlimits": NOFILE},
        ):
            assert as_nobody(_as_nobody(directory, **fields)) == "supervisor-not-permitted", fields


def test_an_ordinary_user_can_have_less() -> None:
    with shared_directory() as directory:
        own = "nogroup" if os.geteuid() == 0 else grp.getgrgid(os.getegid()).gr_name
        spawn = _as_nobody(directory, nice=10, rlimits=NOFILE, user_group=own)
        assert as_nobody(spawn) == "no error"
