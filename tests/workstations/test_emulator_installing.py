"""An app counts as installed when Android lists it."""

from typing import Any

import pytest

from tests.workstations.carrying_out import carried_out, key
from tests.workstations.emulator_worlds import emulator, how, scanned
from tests.workstations.peer import Instance, Machine, Peer
from workstations.emulator_kinds import install_app
from workstations.models import Emulator

__all__ = ["key"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("key")]
APK = r"C:\应用 apps\shop.apk"


def running(peer: Peer, **quirks: Any) -> tuple[Machine, Emulator]:
    """Return a machine with an emulator that runs and a file to install, and the emulator's row."""
    machine = peer.machine(instances=[Instance.running("shop")], in_process=True, **quirks)
    with machine.change() as state:
        state.files[APK] = "com.example.shop"
    return machine, emulator(scanned(machine))


@pytest.mark.parametrize(
    "parameters",
    [
        {"path": APK},
        {"package": "com.example.shop"},
        {"path": APK, "package": "com.example.shop"},
    ],
)
def test_a_file_or_a_package_is_installed(peer: Peer, parameters: dict[str, str]) -> None:
    machine, row = running(peer)
    ended = carried_out("emulator.install-app", row, **parameters)
    assert ended.status == "SUCCESS", how(ended)
    assert machine.instance("shop").apps == ["com.example.shop"]
    assert "com.example.shop is installed" in ended.progress_message


def test_a_package_that_is_there_is_left_alone(peer: Peer) -> None:
    machine, row = running(peer)
    with machine.change() as state:
        state.instances[0].apps = ["com.example.shop"]
    ended = carried_out("emulator.install-app", row, package="com.example.shop")
    assert ended.status == "SUCCESS", how(ended)
    assert machine.calls() == []


def test_a_file_that_is_not_there_has_a_code_of_its_own(peer: Peer) -> None:
    machine, row = running(peer)
    ended = carried_out("emulator.install-app", row, path=r"C:\apps\other.apk")
    assert ended.error_code == "app-file-missing"
    assert r"C:\apps\other.apk" in ended.error_detail
    assert machine.calls() == []


@pytest.mark.parametrize("parameters", [{"path": APK}, {"package": "com.example.shop"}])
def test_an_installation_that_did_nothing_is_not_believed(
    peer: Peer, parameters: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install_app, "SECONDS", 0.5)
    _machine, row = running(peer, ignores_install=True)
    ended = carried_out("emulator.install-app", row, **parameters)
    assert ended.error_code == "verify-failed", how(ended)


def test_on_one_that_does_not_run_nothing_is_installed(peer: Peer) -> None:
    machine = peer.machine(instances=["shop"], in_process=True)
    ended = carried_out("emulator.install-app", emulator(scanned(machine)), package="com.example.shop")
    assert ended.error_code == "emulator-unsafe"
    assert "Start it first" in ended.error_detail
    assert machine.calls() == []
