"""``docs/client.py`` does a whole shift at the API of a real medimgr, and says what was refused."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from medimgr.accounts.models import TokenFamily
from medimgr.events.models import Connection
from monitoring.models import Service
from operations.models import Operation
from tests.factories import make_service
from tests.monitoring.supervision.ward import Ward
from tests.running import ROOT, Instance, free_port
from tests.workstations.peer import Peer
from workstations.models import Workstation

pytestmark = pytest.mark.both_databases

PASSWORD = "a-password-for-the-shift"
SAYING = ["sh", "-c", "echo the service says hello; exec sleep 600"]


@dataclass
class Site:
    instance: Instance
    port: int

    def run(self, *arguments: str, password: str = PASSWORD) -> "subprocess.CompletedProcess[str]":
        """Run the script, with the password on its standard input."""
        return subprocess.run(
            [sys.executable, str(ROOT / "docs/client.py"), f"http://127.0.0.1:{self.port}", *arguments],
            input=password + "\n",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def site(instance: Instance) -> Iterator[Site]:
    """A Daphne, a supervisor and an operations worker; a service, a workstation, and somebody on shift."""
    instance.env |= {
        "MEDIMGR_TOKEN_KEYS": "x" * 50,
        "DJANGO_SUPERUSER_USERNAME": "alice",
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
    }
    made = instance.manage("create_first_admin")
    assert made.returncode == 0, made.stderr
    with instance.database(), Peer(in_process=True) as peer:
        make_service("web", command=SAYING, autostart=False)
        make_service("other", autostart=False)
        Workstation.objects.create(**peer.machine("pc-1").fields() | {"polled": False})
        Ward(instance).start()
        instance.start("run_operations")
        port = free_port()
        instance.daphne(port)
        yield Site(instance, port)


def test_the_whole_shift(site: Site) -> None:
    ran = site.run("--user", "alice", "--service", "web", "--workstation", "pc-1")
    told = ran.stdout.splitlines()
    assert ran.returncode == 0, (ran.stdout, ran.stderr, site.instance.outputs())
    assert told[0].startswith("logged in as alice with ")
    assert "2 services: other, web" in told
    assert "service.start of service:web: SUCCESS" in told
    assert "web: the service says hello" in told
    assert any(line.startswith("workstation.test-connection of workstation:") for line in told)
    assert "operations.purge of operations:finished: SUCCESS" in told
    assert any(line.startswith("event ") and "service web RUNNING" in line for line in told)
    assert told[-1] == "logged out"
    assert ran.stderr == ""
    with site.instance.database():
        assert Service.objects.get(key="web").status.state == "RUNNING"
        assert set(Operation.objects.values_list("status", "source")) == {("SUCCESS", "api")}
        assert TokenFamily.objects.get().revoked_at is not None
        site.instance.wait_for(lambda: not Connection.objects.exists(), 10, "its stream is gone")
    assert PASSWORD not in site.instance.outputs()


def test_what_is_refused_is_said_with_its_code(site: Site) -> None:
    wrong = site.run("--user", "alice", "--service", "web", password="not-that")
    assert wrong.returncode == 1
    assert wrong.stdout.startswith("refused: login-refused: ")
    unknown = site.run("--user", "alice", "--service", "nothing")
    assert unknown.returncode == 1
    assert "refused: unknown-service: " in unknown.stdout
    assert "Traceback" not in unknown.stderr + wrong.stderr


def test_a_server_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    ran = Site(None, free_port()).run("--user", "alice", "--service", "web")  # type: ignore[arg-type]
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "does not answer: ConnectError" in ran.stdout
