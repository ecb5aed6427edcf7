"""A supervisord.conf is imported beside a running supervisor, and its programs run (points 8 and 9)."""

from pathlib import Path

import pytest

from monitoring.models import Service
from tests.monitoring.supervision.ward import Ward

pytestmark = pytest.mark.django_db

CONF = """\
[supervisord]
nodaemon = true
environment = SHARED="of all"

[program:greeter]
command = /bin/sh -c 'echo "$GREETING, $SHARED"; exec sleep 600'
environment = GREETING="hello, %(program_name)s"
startsecs = 0

[program:pool]
command = /bin/sh -c 'echo "number $MEDIMGR_INSTANCE is {0}%(process_num)d"; exec sleep 600'
process_name = %(program_name)s_%(process_num)02d
numprocs = 2
startsecs = 0
priority = 5

[program:later]
command = sleep 600
autostart = false

[group:app]
programs = greeter,pool
"""


def test_three_programs_of_a_supervisord_run_here(ward: Ward, tmp_path: Path) -> None:
    ward.start()
    path = tmp_path / "supervisord.conf"
    path.write_text(CONF.replace("{0}", ""), encoding="utf-8")
    ward.instance.manage("services", "import", str(path))
    services = {service.key: service for service in Service.objects.all()}
    assert set(services) == {"greeter", "pool", "pool-2", "later"}
    for key in ("greeter", "pool", "pool-2"):
        ward.reaches(services[key], "RUNNING")
    assert ward.status(services["later"]).state == "STOPPED"
    ward.wait(lambda: ward.log(services["greeter"]) == "hello, greeter, of all\n", "the greeter greets")
    ward.wait(lambda: ward.log(services["pool-2"]) == "number 1 is 1\n", "the second copy knows its number")

    # A second import changes one of them: only that one is restarted, the others keep their processes.
    pids = {key: ward.status(services[key]).pid for key in ("greeter", "pool", "pool-2")}
    path.write_text(CONF.replace("{0}", "").replace("hello", "good day"), encoding="utf-8")
    ward.instance.manage("services", "import", str(path), "--restart")
    ward.comes_back(services["greeter"], pids["greeter"])
    assert ward.log(services["greeter"]).endswith("good day, greeter, of all\n")
    assert {key: ward.status(services[key]).pid for key in ("pool", "pool-2")} == {
        key: pids[key] for key in ("pool", "pool-2")
    }
