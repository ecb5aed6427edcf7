"""The tools that other tests stand on: an installation of its own, and nothing left behind."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from monitoring.models import Service
from tests.factories import make_service
from tests.running import Instance, RunningProcess, free_port, wait_for

SPAWNS_A_CHILD = (
    "import subprocess, sys, time;"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True);"
    "print('ready', flush=True); time.sleep(600)"
)


def start_parent(instance: Instance) -> RunningProcess:
    process = instance.start_command([sys.executable, "-c", SPAWNS_A_CHILD], name="parent")
    instance.wait_for(lambda: "ready" in process.output(), 10, "the parent has started its child")
    return process


@pytest.mark.both_databases
def test_the_orm_and_the_commands_see_the_installations_own_database(instance: Instance) -> None:
    with instance.database():
        make_service("seen")
    listed = instance.manage("shell", "-v0", "-c", "print(*Service.objects.values_list('key', flat=True))")
    assert listed.stdout.split() == ["seen"], listed.stderr
    with instance.database():
        Service.objects.all().delete()


@pytest.mark.both_databases
def test_every_installation_starts_with_an_empty_migrated_database(
    instance: Instance, tmp_path: Path
) -> None:
    with instance.database():
        make_service("mine")
    other = Instance(tmp_path / "other")
    with other.database():
        assert not Service.objects.exists()


def test_closing_ends_descendants_that_outlived_their_parent(tmp_path: Path) -> None:
    instance = Instance(tmp_path)
    parent = start_parent(instance)
    parent.kill()
    (orphan,) = instance.living()
    instance.close()
    assert not psutil.pid_exists(orphan.pid) or orphan.status() == psutil.STATUS_ZOMBIE


def test_closing_leaves_other_installations_alone(tmp_path: Path, instance: Instance) -> None:
    start_parent(instance)
    Instance(tmp_path / "other").close()
    assert len(instance.living()) == 2


def test_a_condition_that_never_comes_fails_with_what_the_processes_wrote(instance: Instance) -> None:
    start_parent(instance)
    with pytest.raises(AssertionError, match=r"(?s)0\.1 s in vain: the moon.*parent.*running.*ready"):
        instance.wait_for(lambda: False, 0.1, "the moon is blue")


def test_waiting_returns_what_the_condition_found() -> None:
    answers = iter([0, "", "found"])
    assert wait_for(lambda: next(answers), 5, "a true answer") == "found"


def test_free_ports_are_never_given_twice() -> None:
    assert len({free_port() for _ in range(50)}) == 50


def test_a_developers_own_settings_do_not_show_through(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MEDIMGR_STREAM_MAX_CONNECTIONS", "7")
    instance = Instance(tmp_path)
    printed = subprocess.run(
        [sys.executable, "-c", "from medimgr import settings as s; print(s.MEDIMGR_STREAM_MAX_CONNECTIONS)"],
        env=instance.env,
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.strip() == "500"
    assert os.environ["MEDIMGR_STREAM_MAX_CONNECTIONS"] == "7"
