"""A fleet as a farm of emulators has it, for somebody who wants to see medimgr at work."""

import random
import time

from tests.workstations.peer.instance import STARTED, Instance
from tests.workstations.peer.machine import Machine
from tests.workstations.peer.server import Peer

BEHAVIOUR = {"boot_seconds": 6.0, "boot_polls": 1, "quit_seconds": 2.0, "copy_seconds": 8.0}
"""Slow enough to be watched: what a test wants at once takes seconds on a real machine, too."""
_TITLES = ("Farm", "Shop", "Chat", "商店", "Test, old", "O'Brien", 'The "big" one')
_STIRS = 0.3
_SIZES = ((960, 540, 160), (1280, 720, 240), (540, 960, 160))


def build(peer: Peer, machines: int, emulators: int, *, password: str, first_port: int) -> list[Machine]:
    """Start ``machines`` with ``emulators`` each, the same ones at every call; some run, one is a zombie."""
    chance = random.Random(7)
    built = []
    for number in range(1, machines + 1):
        machine = peer.machine(
            f"pc-{number:02d}",
            instances=[_instance(chance, index) for index in range(emulators)],
            port=first_port + number - 1 if first_port else 0,
            password=password,
            **BEHAVIOUR,
        )
        with machine.change() as state:
            state.files[r"C:\apks\notes.apk"] = "org.example.notes"
            zombies = [one for one in state.instances if one.android == STARTED]
            if number % 3 == 0 and zombies:
                zombies[0].vbox_pid = -1
        built.append(machine)
    return built


def live(machines: list[Machine]) -> None:
    """Let somebody at one of the machines start or quit an emulator, now and then."""
    if random.random() > _STIRS:
        return
    machine = random.choice(machines)
    with machine.change() as state:
        if not state.instances:
            return
        instance = random.choice(state.instances)
        if instance.android == STARTED:
            instance.end(time.time())
        elif not instance.active:
            instance.begin(state.take_pid())
            instance.boots_at = time.time() + state.quirks.boot_seconds


def _instance(chance: random.Random, index: int) -> Instance:
    title = _TITLES[index % len(_TITLES)] + (f" {index // len(_TITLES) + 1}" if index >= len(_TITLES) else "")
    width, height, dpi = chance.choice(_SIZES)
    instance = Instance.running(title) if chance.random() < 0.6 else Instance(title)
    instance.index, instance.width, instance.height, instance.dpi = index, width, height, dpi
    if chance.random() < 0.8:
        instance.cpu, instance.memory_mb = chance.choice(((2, 2048), (4, 4096)))
    return instance
