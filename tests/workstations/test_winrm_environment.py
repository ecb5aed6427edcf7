"""The transport asks nothing of the environment, tells no secret, and is loaded by whoever connects alone."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import ROOT, free_port
from tests.workstations.peer import Machine, Peer
from tests.workstations.winrm_sessions import SAMPLE, access_of, session
from workstations.exceptions import AuthenticationFailure, RemoteFailure

CANARY = "canary-Pa55word-of-winrm"


@pytest.fixture
def machine(peer: Peer) -> Machine:
    return peer.machine(password=CANARY)


def test_no_proxy_is_asked(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, dead)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with session(machine) as host:
        assert host.run(SAMPLE, ["exit", "3"], timeout=20).exit_code == 3


def test_no_other_login_is_taken_from_a_file(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {machine.host} login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with session(machine) as host:
        assert host.run(SAMPLE, ["exit", "3"], timeout=20).exit_code == 3
    assert machine.failed_logins == 0


def test_the_password_is_in_no_log_and_no_error(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("pypsrp", "spnego", "urllib3", "requests"):
        caplog.set_level(logging.DEBUG, name)
    with session(machine) as host:
        host.run(SAMPLE, ["exit", "3"], timeout=20)
    machine.change_password("another")
    with pytest.raises(AuthenticationFailure) as raised, session(machine, password=CANARY) as host:
        host.run(SAMPLE, ["exit", "3"], timeout=20)
    assert len(caplog.records) > 10, "the libraries have logged what they do"
    assert CANARY not in caplog.text
    error: BaseException | None = raised.value
    while error is not None:
        assert CANARY not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__
    assert CANARY not in repr(access_of(machine, password=CANARY))


def test_a_failure_is_told_once_and_not_logged_as_an_error_by_a_library(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.faults.unavailable = -1
    with pytest.raises(RemoteFailure), session(machine) as host:
        host.run(SAMPLE, ["exit", "3"], timeout=20)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_password_never_goes_out_in_clear(machine: Machine) -> None:
    machine.accepts_negotiate = False
    with pytest.raises(AuthenticationFailure, match="offers neither"), session(machine) as host:
        host.run(SAMPLE, ["exit", "0"], timeout=20)
    assert machine.requests == 1, "Basic is not tried"


def test_nothing_of_it_is_loaded_before_somebody_connects() -> None:
    script = (
        "import os, sys, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'; django.setup()\n"
        "import medimgr.urls, workstations.winrm, workstations.winrm.reaching\n"
        "print([name for name in ('pypsrp', 'spnego', 'requests', 'urllib3') if name in sys.modules])\n"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert loaded.stdout.strip() == "[]"
