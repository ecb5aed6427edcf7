"""Workstations with emulators as rows of the database, as many as a test wants."""

from datetime import timedelta

from django.utils import timezone

from workstations.models import Change, Emulator, Workstation
from workstations.states import EmulatorState, Reachability

STATES = (
    EmulatorState.RUNNING,
    EmulatorState.RUNNING,
    EmulatorState.STOPPED,
    EmulatorState.STARTING,
    EmulatorState.STOPPED,
)


def make_workstation(name: str = "pc-1", **fields: object) -> Workstation:
    """Store one that is online and that nobody looks after."""
    now = timezone.now()
    row = Workstation(
        **{
            "name": name,
            "host": f"{name}.lan",
            "username": "operator",
            "polled": False,
            "status": Reachability.ONLINE,
            "status_since": now - timedelta(hours=3),
            "seen_at": now,
            "read_at": now,
            **fields,
        }
    )
    row.save()
    return row


def make_emulator(workstation: Workstation, index: int, title: str = "", **fields: object) -> Emulator:
    """Store one that is stopped, unless ``fields`` say otherwise."""
    return Emulator.objects.create(
        **{
            "workstation": workstation,
            "index": index,
            "title": title or f"LDPlayer-{index}",
            "state": EmulatorState.STOPPED,
            "state_since": timezone.now() - timedelta(minutes=12),
            "width": 960,
            "height": 540,
            "dpi": 160,
            "cpu": 2,
            "memory_mb": 2048,
            **fields,
        }
    )


def make_fleet(workstations: int, emulators: int, *, begin: int = 0) -> None:
    """Store so many workstations with so many emulators each, in every state, some of them in trouble."""
    now = timezone.now()
    for number in range(begin, begin + workstations):
        offline = number % 7 == 3
        row = make_workstation(
            f"pc-{number:03d}",
            tags=["lab" if number % 2 else "studio", "hanoi"],
            **(
                {
                    "status": Reachability.OFFLINE,
                    "last_error": f"pc-{number:03d}.lan did not answer on port 5985 within 5 s. "
                    "It is off, asleep, or a firewall drops the connection.",
                    "error_code": "workstation-unreachable",
                }
                if offline
                else {}
            ),
        )
        Emulator.objects.bulk_create(
            Emulator(
                workstation=row,
                index=index,
                title=f"Phone {number:03d}-{index:02d}",
                state=EmulatorState.UNKNOWN if offline else STATES[index % len(STATES)],
                state_since=now - timedelta(minutes=7 * index),
                pid=4000 + index if STATES[index % len(STATES)] == EmulatorState.RUNNING else None,
                width=960,
                height=540,
                dpi=160,
                cpu=2,
                memory_mb=2048,
            )
            for index in range(emulators)
        )
        Change.objects.create(
            workstation=row, at=now, index=0, title=f"Phone {number:03d}-00", what="state", after="running"
        )
