"""An upgrade as docs/deployment.md tells it: a release beside the old one, a link that changes, a restart."""

import shutil
import signal
import sys
from pathlib import Path

import httpx
import psutil
from django.contrib.auth.models import User

from monitoring.models import ServiceStatus
from monitoring.states import State
from tests.deployment.units import command
from tests.factories import make_service
from tests.running import Instance, RunningProcess, free_port
from tests.test_architecture import ROOT, tracked

_CODE = {"manage.py", "medimgr", "monitoring", "operations", "workstations", "templates"}


def release(place: Path) -> Path:
    """Copy this clone's code, as a checkout of a release would have it."""
    for path in tracked("*"):
        name = path.relative_to(ROOT)
        if name.parts[0] in _CODE:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place / name)
    return place


def pids(instance: Instance) -> dict[str, int]:
    """The processes that run, by service; none where one does not yet."""
    with instance.database():
        rows = ServiceStatus.objects.filter(state=State.RUNNING, pid__isnull=False)
        found = {row.service.key: row.pid or 0 for row in rows.select_related("service")}
    return found if len(found) == 3 else {}


def test_a_service_lives_through_an_upgrade_and_medimgr_s_own_are_replaced(instance: Instance) -> None:
    port = free_port()
    old, new = (release(instance.directory / "releases" / name) for name in ("1", "2"))
    current = instance.directory / "current"
    current.symlink_to(old)
    with instance.database():
        User.objects.create_superuser("root", password="x")
        make_service("sleeper")
    # What the unit starts, from the directory that it names, at a port of the test's own.
    words = command("medimgr.service")
    assert words[1] == str(ROOT / "manage.py")
    words[words.index("--bind") + 1] = f"127.0.0.1:{port}"
    words[words.index("--workers") + 1] = "1"

    def start() -> RunningProcess:
        here = ["sh", "-c", f'cd "{current}" && exec "$@"', "sh", sys.executable, "manage.py", *words[2:]]
        return instance.start_command(here, name="up")

    def serves(release: Path) -> bool:
        web = pids(instance).get("medimgr-web-1")
        try:
            if web is None or psutil.Process(web).cwd() != str(release):
                return False
            return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
        except (httpx.HTTPError, psutil.Error):  # it is being replaced
            return False

    first = start()
    instance.wait_for(lambda: serves(old), 40, "the old release serves")
    before = pids(instance)

    first.signal(signal.SIGTERM)  # systemctl stop, with KillMode=process
    assert first.wait(20) == 0
    assert all(psutil.pid_exists(pid) for pid in before.values())
    current.unlink()
    current.symlink_to(new)
    second = start()
    instance.wait_for(lambda: serves(new), 40, "the new release serves")
    after = instance.wait_for(lambda: pids(instance), 20, "everything runs")
    assert after["sleeper"] == before["sleeper"]
    assert after["medimgr-web-1"] != before["medimgr-web-1"]
    assert psutil.Process(after["medimgr-operations"]).cwd() == str(new)
    second.stop()
