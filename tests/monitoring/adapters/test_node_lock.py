"""One supervisor per node: the second is told who the first is, and no death leaves the lock behind."""

import subprocess
import sys
from pathlib import Path

import pytest

from monitoring.supervisor.nodelock import AlreadySupervised, NodeLock
from tests.monitoring.adapters.conftest import Spawner, exit_of

ROOT = Path(__file__).parents[3]
HOLD = (
    "import sys, time\n"
    f"sys.path.insert(0, {str(ROOT)!r})\n"
    "from pathlib import Path\n"
    "from monitoring.supervisor.nodelock import NodeLock\n"
    "lock = NodeLock(Path(sys.argv[1]), 'here')\n"
    "print('held', flush=True)\n"
    "time.sleep(60)\n"
)


def holder(directory: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_is_told_who_the_first_is(tmp_path: Path) -> None:
    first = holder(tmp_path)
    try:
        with pytest.raises(AlreadySupervised, match=f"process {first.pid} already") as caught:
            NodeLock(tmp_path, "here")
        assert caught.value.pid == first.pid
        assert caught.value.node == "here"
    finally:
        first.kill()
        first.communicate()


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    first = holder(tmp_path)
    first.kill()
    first.communicate()
    NodeLock(tmp_path, "here").close()


def test_closing_releases_it(tmp_path: Path) -> None:
    lock = NodeLock(tmp_path, "here")
    lock.close()
    lock.close()
    with NodeLock(tmp_path, "here"), pytest.raises(AlreadySupervised):
        NodeLock(tmp_path, "here")


def test_other_nodes_and_directories_are_free(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with NodeLock(tmp_path, "here"), NodeLock(tmp_path, "there"), NodeLock(tmp_path / "other", "here"):
        pass


def test_a_service_that_lives_on_does_not_hold_it(spawner: Spawner, tmp_path: Path) -> None:
    with NodeLock(tmp_path, "here"):
        process = spawner.spawn("/bin/sleep", "60")
    with NodeLock(tmp_path, "here"):
        assert process.poll_exit() is None
    process.kill_group()
    exit_of(process)


def test_any_name_of_a_node_is_a_file_name(tmp_path: Path) -> None:
    with NodeLock(tmp_path, "../node a/b"):
        assert [path.parent for path in tmp_path.iterdir()] == [tmp_path]


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        NodeLock(tmp_path / "missing", "here")
