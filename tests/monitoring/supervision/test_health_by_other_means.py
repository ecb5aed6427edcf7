"""Health by command, by a text in the answer and by what is logged, with a real supervisor (scenario 28)."""

import shlex
from pathlib import Path
from typing import Any

from tests.monitoring.supervision.ward import Ward
from tests.running import free_port, wait_for


class Checked:
    """A service whose health is whether a file is there; each probe leaves a line in another one."""

    def __init__(self, ward: Ward, directory: Path, **fields: Any) -> None:
        self.ward = ward
        self.bad = directory / "bad"
        self.probes = directory / "probes"
        self.probes.touch()
        bad, probes = shlex.quote(str(self.bad)), shlex.quote(str(self.probes))
        script = f"echo p >>{probes}; if test -e {bad}; then echo no peers; exit 1; fi"
        values = {
            "health_kind": "exec",
            "health_command": ["/bin/sh", "-c", script],
            "health_interval_seconds": 0.1,
            "health_timeout_seconds": 5.0,
            "health_failures": 3,
            "backoff_base_seconds": 0.1,
            **fields,
        }
        self.service = ward.declare(**values)

    def probed(self) -> int:
        return self.probes.read_text().count("p")

    def probed_again(self, times: int) -> None:
        goal = self.probed() + times
        wait_for(lambda: self.probed() >= goal, 10, f"{times} probes more")


def test_few_failures_restart_nothing_and_enough_restart_once(shared_ward: Ward, tmp_path: Path) -> None:
    checked = Checked(shared_ward, tmp_path, health_failures=6)
    status = shared_ward.reaches(checked.service, "RUNNING", health="healthy")
    for _ in range(3):  # each time fewer than six in a row
        checked.bad.touch()
        checked.probed_again(2)
        checked.bad.unlink()
        checked.probed_again(3)
    same = shared_ward.status(checked.service)
    assert (same.pid, same.restarts, same.health) == (status.pid, 0, "healthy")
    checked.bad.touch()
    shared_ward.wait(lambda: shared_ward.status(checked.service).pid != status.pid, "it is restarted")
    checked.bad.unlink()
    shared_ward.reaches(checked.service, "RUNNING", health="healthy", restarts=1)
    assert any("unhealthy" in line for line in shared_ward.history(checked.service))


def test_an_unhealthy_one_that_is_not_to_be_restarted_says_what_its_probe_said(
    shared_ward: Ward, tmp_path: Path
) -> None:
    checked = Checked(shared_ward, tmp_path, health_restart=False, health_successes=2)
    pid = shared_ward.reaches(checked.service, "RUNNING", health="healthy").pid
    checked.bad.touch()
    status = shared_ward.reaches(checked.service, "RUNNING", health="unhealthy")
    assert status.detail == "its probe exited with code 1: no peers"
    checked.bad.unlink()
    assert shared_ward.reaches(checked.service, "RUNNING", health="healthy").pid == pid


def test_one_that_is_never_healthy_while_it_starts_runs_into_its_time(
    shared_ward: Ward, tmp_path: Path
) -> None:
    (tmp_path / "bad").touch()
    checked = Checked(shared_ward, tmp_path, start_timeout_seconds=0.6, restart_policy="never")
    shared_ward.wait(
        lambda: any("start-timeout" in line for line in shared_ward.history(checked.service)),
        "its time is over",
    )


def test_a_probe_that_hangs_makes_it_unhealthy_and_leaves_nothing_behind(
    shared_ward: Ward, tmp_path: Path
) -> None:
    """Scenario 15: the exit of another service is handled meanwhile as ever."""
    hangs = tmp_path / "hangs"
    script = f"test ! -e {shlex.quote(str(hangs))} || exec sleep 987"
    service = shared_ward.declare(
        health_kind="exec",
        health_command=["/bin/sh", "-c", script],
        health_interval_seconds=0.1,
        health_timeout_seconds=0.4,
        health_failures=2,
        backoff_base_seconds=0.1,
    )
    other = shared_ward.declare(backoff_base_seconds=0.05)
    pid = shared_ward.reaches(service, "RUNNING", health="healthy").pid
    hangs.touch()
    shared_ward.comes_back(other, shared_ward.kill(other), timeout=5)
    shared_ward.wait(lambda: shared_ward.status(service).pid != pid, "it is restarted")
    hangs.unlink()
    shared_ward.reaches(service, "RUNNING", health="healthy")
    assert any("unhealthy" in line for line in shared_ward.history(service))
    wait_for(lambda: not _hanging(shared_ward), 5, "no probe is left")


def _hanging(ward: Ward) -> list[int]:
    return [process.pid for process in ward.instance.living() if "987" in process.cmdline()]


def test_a_server_that_answers_the_wrong_thing_is_unhealthy(shared_ward: Ward, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "state").write_text("open")
    service = shared_ward.declare(
        command=["python3", "-m", "http.server", str(port), "--bind", "127.0.0.1"],
        cwd=str(tmp_path),
        health_kind="http",
        health_url=f"http://127.0.0.1:{port}/state",
        health_body="open",
        health_interval_seconds=0.1,
        health_restart=False,
    )
    shared_ward.reaches(service, "RUNNING", health="healthy")
    (tmp_path / "state").write_text("closed")
    status = shared_ward.reaches(service, "RUNNING", health="unhealthy")
    assert status.detail == "answered 200 OK without the text 'open'"


def test_one_that_has_fallen_silent_is_restarted(shared_ward: Ward, tmp_path: Path) -> None:
    quiet = tmp_path / "quiet"
    script = f"while true; do test -e {shlex.quote(str(quiet))} || echo working; sleep 0.1; done"
    service = shared_ward.declare(
        command=["/bin/sh", "-c", script],
        health_kind="log",
        health_silence_seconds=0.8,
        health_interval_seconds=0.1,
        health_failures=2,
        backoff_base_seconds=0.1,
    )
    pid = shared_ward.reaches(service, "RUNNING", health="healthy").pid
    quiet.touch()
    shared_ward.wait(lambda: shared_ward.status(service).pid != pid, "it is restarted")
    quiet.unlink()
    shared_ward.reaches(service, "RUNNING", health="healthy")
