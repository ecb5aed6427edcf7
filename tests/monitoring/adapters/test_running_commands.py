"""A hook or an exec probe runs beside the loop: its end, output and time are known, and it is bounded."""

import asyncio
import ctypes
import json
import os
import pwd
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitoring.supervisor.commands import CommandResult
from monitoring.supervisor.identity import read_stat
from tests.monitoring.adapters.commands import Commands, commands, pid_in
from tests.monitoring.adapters.conftest import gone
from tests.running import wait_for

__all__ = ["commands"]
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the user")
Results = asyncio.Queue[CommandResult]


async def test_a_command_that_ends_with_0_is_fine(commands: Commands) -> None:
    result = await commands.shell("echo all is well")
    assert (result.ok, result.code, result.signal, result.timed_out) == (True, 0, "", False)
    assert result.output == "all is well"
    assert result.describe() == "exited with code 0: all is well"
    assert 0 < result.seconds < 5


async def test_a_command_that_fails_says_how(commands: Commands) -> None:
    result = await commands.shell("echo looking; echo 'disk is full' >&2; echo; exit 3")
    assert (result.ok, result.code) == (False, 3)
    assert result.describe() == "exited with code 3: disk is full"


async def test_a_command_that_is_killed_names_the_signal(commands: Commands) -> None:
    result = await commands.shell("kill -SEGV $$")
    assert (result.ok, result.code, result.signal) == (False, None, "SIGSEGV")
    assert result.describe() == "was killed by SIGSEGV"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("/no/such/hook",), "could not be started: There is no file /no/such/hook"),
        ((), "could not be started: A command of it is empty"),
        (("/etc/passwd",), "is not executable"),
    ],
)
async def test_a_command_that_cannot_be_started_says_why(
    commands: Commands, command: tuple[str, ...], words: str
) -> None:
    result = await commands.run(*command)
    assert (result.ok, result.code) == (False, None)
    assert words in result.describe()


async def test_running_out_of_open_files_is_told_and_leaves_nothing(commands: Commands) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        result = await commands.shell("true")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert not result.ok
    assert "too many files open" in result.describe()
    assert (await commands.shell("true")).ok


async def test_only_the_end_of_a_long_output_is_kept_and_cleaned(commands: Commands) -> None:
    script = "import sys; sys.stdout.buffer.write(b'x' * 3_000_000 + b'\\x1b[31m\\xff\\x00red\\x1b[0m\\n')"
    result = await commands.run(sys.executable, "-I", "-S", "-c", script)
    assert result.ok
    assert 1990 < len(result.output) <= 2000
    assert result.output.endswith("x�red")


async def test_a_command_that_floods_us_holds_nobody_up(commands: Commands) -> None:
    """Hook output without an end (scenario 15): the loop goes on with other things."""
    flooding = asyncio.create_task(commands.run("yes", within=1.0))
    slowest, deadline = 0.0, time.monotonic() + 0.8
    while time.monotonic() < deadline:
        begun = time.monotonic()
        await asyncio.sleep(0)
        slowest = max(slowest, time.monotonic() - begun)
    assert slowest < 0.25
    result = await flooding
    assert (result.ok, result.timed_out) == (False, True)
    assert result.output.endswith("y\ny")


async def test_a_hook_that_hangs_is_killed_with_all_that_it_started(
    commands: Commands, tmp_path: Path
) -> None:
    """Scenario 15: group members and a child that has left the group are gone, and the time was kept."""
    script = (
        f"trap '' TERM; sleep 300 & echo $! >{tmp_path}/member;"
        f"setsid sh -c 'echo $$ >{tmp_path}/escaped.new; mv {tmp_path}/escaped.new {tmp_path}/escaped;"
        " exec sleep 300' & echo waiting; wait"
    )
    begun = time.monotonic()
    result = await commands.shell(script, within=0.6)
    assert time.monotonic() - begun < 3
    assert (result.ok, result.code, result.timed_out) == (False, None, True)
    assert result.describe() == "was still running after 0.6 s and was killed: waiting"
    for name in ("member", "escaped"):
        pid = await pid_in(tmp_path / name)
        await asyncio.to_thread(wait_for, lambda pid=pid: gone(pid), 5, f"{name} is gone")


@pytest.fixture
def subreaper() -> Iterator[None]:
    """Be what a supervisor is: the parent of those whose parents have ended."""
    library, subreaper = ctypes.CDLL(None), 36
    assert library.prctl(subreaper, 1, 0, 0, 0) == 0
    yield
    library.prctl(subreaper, 0, 0, 0, 0)


@pytest.mark.usefixtures("subreaper")
async def test_a_hook_that_hangs_leaves_no_daemon_behind(commands: Commands, tmp_path: Path) -> None:
    """One that has forked twice and left its session has no parents that lead to the hook any more."""
    place = tmp_path / "daemon"
    daemon = f"(setsid sh -c 'echo $$ >{place}.new; mv {place}.new {place}; exec sleep 300' &)"
    running = asyncio.create_task(commands.shell(f"{daemon}; exec sleep 300", within=1.0))
    other = asyncio.create_task(commands.shell(f"{daemon.replace('daemon', 'other')}; exec sleep 300"))
    pid, others = await pid_in(tmp_path / "daemon"), await pid_in(tmp_path / "other")
    entry = read_stat(pid)
    assert entry is not None
    assert entry.ppid == os.getpid()
    assert (await running).timed_out
    await asyncio.to_thread(wait_for, lambda: gone(pid), 5, "the daemon is gone")
    assert not gone(others)
    other.cancel()
    await asyncio.to_thread(wait_for, lambda: gone(others), 5, "the other one is gone, too")
    for stray in (pid, others):
        await asyncio.to_thread(os.waitpid, stray, 0)


async def test_a_grandchild_that_keeps_the_pipe_open_does_not_keep_it_from_being_over(
    commands: Commands, tmp_path: Path
) -> None:
    """Scenario 10 for commands: the daemon that a hook starts lives on with the hook's output."""
    script = f"setsid sh -c 'echo $$ >{tmp_path}/daemon; exec sleep 300' & echo started"
    script += f"; while ! test -s {tmp_path}/daemon; do sleep 0.01; done"
    begun = time.monotonic()
    result = await commands.shell(script)
    assert time.monotonic() - begun < 5
    assert (result.ok, result.output) == (True, "started")
    pid = await pid_in(tmp_path / "daemon")
    assert not gone(pid)
    os.kill(pid, 9)


async def test_what_it_leaves_in_its_group_is_killed_at_its_end(commands: Commands, tmp_path: Path) -> None:
    assert (await commands.shell(f"sleep 300 & echo $! >{tmp_path}/left")).ok
    pid = await pid_in(tmp_path / "left")
    await asyncio.to_thread(wait_for, lambda: gone(pid), 5, "it is gone")


async def test_it_has_the_services_environment_but_belongs_to_no_run(
    commands: Commands, tmp_path: Path
) -> None:
    spec = commands.spec(
        cwd=str(tmp_path), env=(("PORT", "8001"), ("MEDIMGR_RUN_ID", "forged")), instance=2, umask=0o077
    )
    script = "import json, os; print(json.dumps([dict(os.environ), os.getcwd(), os.umask(0), os.getsid(0)]))"
    result = await commands.run(
        sys.executable, "-I", "-S", "-c", script, spec=spec, env={"MEDIMGR_HOOK": "pre-start"}
    )
    env, cwd, umask, session = json.loads(result.output)
    assert (env["PORT"], env["MEDIMGR_HOOK"], env["MEDIMGR_COMMAND_RUN"]) == ("8001", "pre-start", "run-1")
    assert (env["MEDIMGR_COMMAND_OF"], env["MEDIMGR_NODE"]) == ("it", "n1")
    assert (env["MEDIMGR_DATA_DIR"], env["MEDIMGR_INSTANCE"]) == (str(tmp_path), "2")
    assert not {"MEDIMGR_RUN_ID", "MEDIMGR_SERVICE", "DJANGO_SECRET_KEY"} & set(env)
    assert (cwd, umask) == (str(tmp_path), 0o077)
    assert session != os.getsid(0)


@AS_ROOT
async def test_it_runs_as_the_services_user(commands: Commands) -> None:
    result = await commands.shell("id -u; id -g", spec=commands.spec(user="nobody"))
    nobody = pwd.getpwnam("nobody")
    assert result.output.split() == [str(nobody.pw_uid), str(nobody.pw_gid)]


async def test_it_ignores_no_signal_and_has_no_open_file_but_its_three(commands: Commands) -> None:
    result = await commands.shell("ls /proc/$$/fd; grep -E 'SigIgn|SigBlk' /proc/self/status; kill -PIPE $$")
    assert result.signal == "SIGPIPE"
    *files, ignored, blocked = [line for line in result.output.splitlines() if not line.isspace()]
    assert files == ["0", "1", "2"]
    assert {int(line.split()[1], 16) for line in (ignored, blocked)} == {0}


async def test_a_hooks_output_goes_into_the_services_log_too(commands: Commands) -> None:
    commands.log.write_text("earlier\n")
    result = await commands.shell("echo migrating", in_log=True)
    assert result.output == "migrating"
    assert commands.log.read_text() == "earlier\nmigrating\n"
    await commands.shell("echo probing")
    assert "probing" not in commands.log.read_text()


async def test_a_hook_cannot_fill_the_log_without_end(commands: Commands) -> None:
    script = "import sys; sys.stdout.write('y' * 5_000_000)"
    assert (await commands.run(sys.executable, "-I", "-S", "-c", script, in_log=True)).ok
    text = commands.log.read_text()
    assert 1024 * 1024 <= len(text) < 1024 * 1024 + 200
    assert text.endswith("(the rest of this command's output is not kept)\n")


async def test_a_log_that_cannot_be_written_is_no_obstacle(commands: Commands) -> None:
    commands.log.mkdir()
    assert (await commands.shell("echo fine", in_log=True)).output == "fine"


async def test_a_cancelled_command_is_killed_and_nobody_is_told(commands: Commands, tmp_path: Path) -> None:
    results: Results = asyncio.Queue()
    running = commands.start(f"echo $$ >{tmp_path}/pid; exec sleep 300", results)
    pid = await pid_in(tmp_path / "pid")
    running.cancel()
    running.cancel()
    assert running.over
    await asyncio.to_thread(wait_for, lambda: gone(pid), 5, "it is gone")
    assert (await commands.shell("true")).ok
    assert results.empty()
    assert commands.runner.pids == set()


async def test_giving_up_a_coroutine_kills_its_command(commands: Commands, tmp_path: Path) -> None:
    task = asyncio.create_task(commands.shell(f"echo $$ >{tmp_path}/pid; exec sleep 300"))
    pid = await pid_in(tmp_path / "pid")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(wait_for, lambda: gone(pid), 5, "it is gone")


async def test_no_more_than_so_many_run_at_once_and_the_time_of_one_that_waits_does_not_run(
    tmp_path: Path,
) -> None:
    commands = Commands(tmp_path, at_once=2)
    slow = "echo begin; sleep 0.4; echo end"
    most = 0

    async def one() -> CommandResult:
        nonlocal most
        result = asyncio.create_task(commands.shell(slow, within=0.9))
        while not result.done():
            most = max(most, len(commands.runner.pids))
            await asyncio.sleep(0.01)
        return await result

    results = await asyncio.gather(*(one() for _ in range(6)))
    assert [result.ok for result in results] == [True] * 6  # the last ones began after 0.8 s
    assert most == 2
    commands.runner.close()


async def test_a_command_that_waits_can_be_cancelled(tmp_path: Path) -> None:
    commands = Commands(tmp_path, at_once=1)
    results: Results = asyncio.Queue()
    first = commands.start("exec sleep 300", results)
    second = commands.start(f"touch {tmp_path}/second", results)
    third = commands.start("echo third", results)
    second.cancel()
    await asyncio.to_thread(wait_for, lambda: first.pid, 5, "the first runs")
    first.cancel()
    result = await asyncio.wait_for(results.get(), 5)
    assert (result.output, third.over) == ("third", True)
    assert not (tmp_path / "second").exists()
    assert results.empty()
    commands.runner.close()


async def test_the_end_of_the_supervisor_ends_them_all(tmp_path: Path) -> None:
    commands = Commands(tmp_path, at_once=4)
    results: Results = asyncio.Queue()
    for _ in range(9):
        commands.start("trap '' TERM; sleep 300", results)
    await asyncio.to_thread(wait_for, lambda: len(commands.runner.pids) == 4, 5, "four run")
    pids = commands.runner.pids
    commands.runner.close()
    assert all(gone(pid) for pid in pids)
    assert commands.runner.pids == set()
    await asyncio.sleep(0)  # what was still queued in the loop
    assert results.empty()


async def test_200_commands_at_once_keep_the_loop_quick(tmp_path: Path) -> None:
    """Scenario 15: many that hang together; the loop never waits for longer than a few spawns take."""
    commands = Commands(tmp_path, at_once=32)
    tasks = [asyncio.create_task(commands.run("/bin/sleep", "300", within=0.3)) for _ in range(200)]
    slowest, most = 0.0, 0
    while not all(task.done() for task in tasks):
        begun = time.monotonic()
        await asyncio.sleep(0.001)
        slowest = max(slowest, time.monotonic() - begun)
        most = max(most, len(commands.runner.pids))
    assert most == 32
    assert all(task.result().timed_out for task in tasks)
    assert slowest < 0.5
    commands.runner.close()
