"""What is refused in the state that a workstation's list is in. Pure: each raises, or does nothing."""

from workstations.emulator_kinds.listing import Listing
from workstations.exceptions import EmulatorChanged, Unsafe
from workstations.ldplayer.list2 import Instance, state_of
from workstations.ldplayer.names import kept_title
from workstations.states import EmulatorState

_BUSY = {
    EmulatorState.STARTING: "is starting",
    EmulatorState.RUNNING: "is running",
    EmulatorState.ZOMBIE: "hangs: it has processes, but does not work",
}


def named(instance: Instance) -> str:
    """Return an emulator for people: ``shop (index 3)``."""
    return f"{instance.title} (index {instance.index})"


def still_there(reading: Listing, index: int, title: str) -> Instance:
    """Return what is at ``index``. Raises EmulatorChanged where that is not called ``title``, or is gone."""
    found = reading.at(index)
    if found is None:
        raise EmulatorChanged(
            f"There is no emulator with index {index} any more; it was called {title!r}. Nothing was done."
        )
    if kept_title(found.title) != title:
        raise EmulatorChanged(
            f"Index {index} holds {found.title!r} by now, no longer {title!r}. Nothing was done. Ask anew "
            "for the one that you mean."
        )
    return found


def at_rest(instance: Instance, wanted: str) -> None:
    """Raise Unsafe where anything of the emulator runs; ``wanted`` says what was to be done: ``deleted``."""
    if not instance.at_rest:
        state = _BUSY.get(state_of(instance), "still ends")
        raise Unsafe(f"{named(instance)} {state}, so it can't be {wanted}. Stop it first.")


def title_free(reading: Listing, title: str) -> None:
    """Raise Unsafe where some emulator is called ``title`` already."""
    for instance in reading.titled(title):
        raise Unsafe(f"There is an emulator called {title!r} already, with index {instance.index}.")


def running(instance: Instance) -> None:
    """Raise Unsafe unless the emulator runs."""
    if state_of(instance) != EmulatorState.RUNNING:
        raise Unsafe(f"{named(instance)} does not run, so nothing can be installed on it. Start it first.")
