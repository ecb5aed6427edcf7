"""A service's process is on its own: session, files, environment, user, limits."""

import json
import os
import pwd
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from monitoring.supervisor.identity import read_stat
from monitoring.supervisor.nodelock import NodeLock
from tests.monitoring.adapters.conftest import Spawner, exit_of
from tests.running import wait_for

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the user")
DUMP = "import json, os; print(json.dumps(dict(os.environ)))"


def environment(spawner: Spawner) -> dict[str, str]:
    """Return the environment that a program dumped into its log."""
    found: dict[str, str] = json.loads(spawner.text().splitlines()[-1])
    return found


def test_it_leads_a_session_and_a_group_of_its_own(spawner: Spawner) -> None:
    process = spawner.shell("sleep 60")
    entry = read_stat(process.identity.pid)
    assert entry is not None
    assert entry.session == entry.pgrp == process.identity.pid
    assert entry.start_ticks == process.identity.start_ticks
    assert entry.ppid == os.getpid()


def test_both_outputs_are_appended_to_its_log_and_its_input_is_empty(spawner: Spawner) -> None:
    spawner.log.parent.mkdir()
    spawner.log.write_text("earlier\n")
    exit_of(spawner.shell("echo out; echo err >&2; cat; echo end"))
    assert spawner.text() == "earlier\nout\nerr\nend\n"


def test_its_errors_can_have_a_log_of_their_own(spawner: Spawner, tmp_path: Path) -> None:
    apart = tmp_path / "logs" / "it.err.log"
    exit_of(spawner.shell("echo out; echo err >&2", stderr_log=apart))
    assert (spawner.text(), apart.read_text()) == ("out\n", "err\n")


def test_it_is_told_which_copy_it_is_and_is_no_command(spawner: Spawner) -> None:
    exit_of(spawner.spawn(sys.executable, "-c", DUMP, instance=3, env=(("MEDIMGR_COMMAND_OF", "another"),)))
    seen = environment(spawner)
    assert (seen["MEDIMGR_INSTANCE"], "MEDIMGR_COMMAND_OF" in seen) == ("3", False)


def test_it_gets_no_open_file_but_its_three_and_those_passed(spawner: Spawner, tmp_path: Path) -> None:
    with NodeLock(tmp_path, "here"), socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        process = spawner.shell("exec sleep 60", spawning={"pass_fds": [listening.fileno()]})
        fds = f"/proc/{process.identity.pid}/fd"
        # Until it sleeps, it opens its libraries itself.
        expected = {"0", "1", "2", str(listening.fileno())}
        wait_for(lambda: set(os.listdir(fds)) == expected, 5, f"it has {expected} open")
        assert os.readlink(f"{fds}/{listening.fileno()}").startswith("socket:")
        assert os.readlink(f"{fds}/0") == os.devnull


def test_it_sees_none_of_the_supervisors_secrets(spawner: Spawner, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DJANGO_SECRET_KEY", "DATABASE_URL", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "hidden")
    monkeypatch.setenv("LC_TIME", "C")
    exit_of(spawner.spawn(sys.executable, "-c", DUMP))
    seen = environment(spawner)
    assert "hidden" not in seen.values()
    assert seen["LC_TIME"] == "C"
    assert seen["PATH"] == os.environ["PATH"]


def test_its_own_variables_win_but_not_over_the_marks(spawner: Spawner) -> None:
    process = spawner.spawn(
        sys.executable,
        "-c",
        DUMP,
        env=(("LANG", "xx"), ("GREETING", "grüß"), ("MEDIMGR_RUN_ID", "forged")),
        spawning={"extra_env": {"GREETING": "hidden", "DATABASE_URL": "given"}, "node": "n1"},
    )
    exit_of(process)
    seen = environment(spawner)
    assert (seen["LANG"], seen["GREETING"], seen["DATABASE_URL"]) == ("xx", "grüß", "given")
    assert seen["MEDIMGR_RUN_ID"] == process.identity.run_id
    assert (seen["MEDIMGR_SERVICE"], seen["MEDIMGR_NODE"]) == ("it", "n1")


def test_there_is_a_path_even_where_the_supervisor_has_none(
    spawner: Spawner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PATH")
    exit_of(spawner.spawn("env"))
    assert "PATH=/usr/local/bin:/usr/bin:/bin" in spawner.text()


def test_a_program_is_looked_for_on_the_childs_own_path(spawner: Spawner, tmp_path: Path) -> None:
    program = tmp_path / "greet"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    exit_of(spawner.spawn("greet", env=(("PATH", str(tmp_path)),)))
    assert spawner.text() == "hello\n"


def test_a_relative_program_is_relative_to_its_directory(spawner: Spawner, tmp_path: Path) -> None:
    program = tmp_path / "there" / "greet"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\npwd\n")
    program.chmod(0o755)
    exit_of(spawner.spawn("./greet", cwd=str(program.parent)))
    assert spawner.text() == f"{program.parent}\n"


def test_its_umask_is_what_was_declared(spawner: Spawner, tmp_path: Path) -> None:
    exit_of(spawner.shell(f"touch {tmp_path}/made", umask=0o077))
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o600


def test_its_limit_of_open_files_is_the_usual_one_again(spawner: Spawner) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lower = (min(before[0], 777), before[1])
    process = spawner.shell("sleep 60", spawning={"nofile": lower})
    assert resource.prlimit(process.identity.pid, resource.RLIMIT_NOFILE) == lower
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


IGNORING = """
import signal, sys
sys.path.insert(0, {root!r})
from django.conf import settings
settings.configure(MEDIMGR_NODE="n", MEDIMGR_DATA_DIR="/")
from pathlib import Path
from monitoring.supervisor.process import Process, prepare_to_spawn
from monitoring.supervisor.spec import ServiceSpec
nofile = prepare_to_spawn()
command = ("/bin/sh", "-c", "grep -E 'SigIgn|SigBlk' /proc/self/status")
log = Path({log!r})
spec = ServiceSpec("it", "It", command, log_path=log)
process = Process.spawn(spec, "run", nofile=nofile)
while process.poll_exit() is None: pass
process.reap(); process.close()
signal.raise_signal(signal.SIGHUP)
print("still here")
"""


def test_it_ignores_and_blocks_no_signal_even_where_the_supervisor_was_told_to(tmp_path: Path) -> None:
    """As under ``nohup`` and in the background of a shell script."""
    script = IGNORING.format(root=str(Path(__file__).parents[3]), log=str(tmp_path / "x.log"))
    (tmp_path / "ignoring.py").write_text(script)
    outcome = subprocess.run(
        [
            "/bin/sh",
            "-c",
            "trap '' HUP INT QUIT TERM PIPE; exec \"$@\"",
            "sh",
            sys.executable,
            str(tmp_path / "ignoring.py"),
        ],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert outcome.stdout == "still here\n", outcome.stderr
    words = dict(line.split() for line in (tmp_path / "x.log").read_text().splitlines())
    assert int(words["SigBlk:"], 16) == 0
    ignored = {number for number in range(1, 32) if int(words["SigIgn:"], 16) >> (number - 1) & 1}
    assert ignored == set()


def test_a_broken_pipe_ends_it_as_usual(spawner: Spawner) -> None:
    """Python ignores SIGPIPE, which a child must not inherit."""
    exit_of(spawner.shell("exec 2>&1; sh -c 'kill -PIPE $$; echo survived' || echo ended"))
    assert "survived" not in spawner.text()


@AS_ROOT
def test_it_runs_as_the_user_with_that_users_groups_and_home(
    spawner: Spawner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/0")
    nobody = pwd.getpwnam("nobody")
    exit_of(spawner.shell("id -u; id -g; id -G; env", user="nobody"))
    lines = spawner.text().splitlines()
    assert lines[:2] == [str(nobody.pw_uid), str(nobody.pw_gid)]
    assert {int(word) for word in lines[2].split()} == set(os.getgrouplist("nobody", nobody.pw_gid))
    assert {f"HOME={nobody.pw_dir}", "USER=nobody", "LOGNAME=nobody"} <= set(lines)
    assert not any(line.startswith("XDG_RUNTIME_DIR=") for line in lines)


def test_naming_the_supervisors_own_user_needs_no_rights(spawner: Spawner) -> None:
    me = pwd.getpwuid(os.geteuid()).pw_name
    exit_of(spawner.shell("id -un", user=me))
    assert spawner.text() == f"{me}\n"


def test_it_lives_on_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    script = (
        f"import sys, time; sys.path.insert(0, {str(Path(__file__).parents[3])!r})\n"
        "from django.conf import settings\n"
        "settings.configure(MEDIMGR_NODE='n', MEDIMGR_DATA_DIR='/')\n"
        "from pathlib import Path\n"
        "from monitoring.supervisor.process import Process\n"
        "from monitoring.supervisor.spec import ServiceSpec\n"
        f"log = Path({str(tmp_path / 'x.log')!r})\n"
        "spec = ServiceSpec('it', 'It', ('/bin/sh', '-c', 'while echo tick; do sleep 0.05; done'),"
        " log_path=log)\n"
        "print(Process.spawn(spec, 'orphan').identity.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    pid = int(supervisor.stdout.readline())
    try:
        supervisor.kill()
        supervisor.wait()
        supervisor.stdout.close()
        size = (tmp_path / "x.log").stat().st_size
        wait_for(lambda: (tmp_path / "x.log").stat().st_size > size + 10, 5, "it goes on writing")
    finally:
        os.killpg(pid, signal.SIGKILL)
