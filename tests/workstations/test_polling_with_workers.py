"""Real operations workers look after workstations: each is asked by one of them, and nothing outlives one."""

import time

import pytest

from medimgr.lib.sealing import new_key
from operations.models import ChoreRun
from tests.running import Instance as Medimgr
from tests.workstations.peer import Instance, Peer
from workstations.models import Emulator

pytestmark = pytest.mark.both_databases

EVERY = 2.0


@pytest.fixture
def settings_with_a_key(settings: object, instance: Medimgr) -> None:
    """Have the test and its processes share a key and short intervals."""
    key = new_key()
    settings.MEDIMGR_ENCRYPTION_KEYS = [key]  # type: ignore[attr-defined]
    instance.env |= {
        "MEDIMGR_ENCRYPTION_KEYS": key,
        "MEDIMGR_REACHABILITY_SECONDS": str(EVERY),
        "MEDIMGR_INVENTORY_SECONDS": str(EVERY),
    }


@pytest.mark.usefixtures("settings_with_a_key")
def test_two_workers_ask_each_workstation_once_in_an_interval_and_follow_what_is_declared(
    instance: Medimgr,
) -> None:
    with Peer(in_process=True) as peer, instance.database():
        machines = [peer.machine(f"pc-{number}", instances=[Instance.running("Farm")]) for number in range(4)]
        for machine in machines[:3]:
            machine.declare()
        workers = [instance.start("run_operations") for _ in range(2)]
        instance.wait_for(lambda: Emulator.objects.filter(state="running").count() == 3, 20, "all are read")
        before = [machine.actions.count("Create") for machine in machines]
        begin = time.monotonic()
        machines[3].declare()  # no restart: the next look takes it
        instance.wait_for(
            lambda: Emulator.objects.filter(state="running").count() == 4, 15, "a new one is read, too"
        )
        instance.wait_for(lambda: time.monotonic() > begin + 3 * EVERY, 10, "some intervals have passed")
        rounds = (time.monotonic() - begin) / EVERY
        for machine, shells in zip(machines[:3], before[:3], strict=True):
            assert machine.actions.count("Create") - shells <= rounds + 2, "Both workers ask it."
        codes = [worker.stop() for worker in workers]
        assert codes == [0, 0]
        instance.wait_for(lambda: not any(one.open_shells for one in machines), 5, "no shell is left")
        instance.wait_for(lambda: not any(one.open_connections for one in machines), 5, "no socket is left")


@pytest.mark.usefixtures("settings_with_a_key")
def test_another_worker_goes_on_where_one_is_killed(instance: Medimgr) -> None:
    with Peer(in_process=True) as peer, instance.database():
        machine = peer.machine("pc-1", instances=["Farm"])
        machine.declare()
        first = instance.start("run_operations")
        instance.wait_for(Emulator.objects.exists, 20, "it is read")
        first.kill()
        # Its lease runs out by itself, in half a minute; the test does not wait for that.
        ChoreRun.objects.update(lease_until=None, owner="")
        with machine.change() as state:
            state.instances[0].begin(4711)
        instance.start("run_operations")
        instance.wait_for(
            lambda: Emulator.objects.get().state in ("running", "starting"), 20, "the next one goes on"
        )
