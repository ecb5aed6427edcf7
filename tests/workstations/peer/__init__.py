"""Simulated workstations: a WSMan server over real sockets, and behind it a fake LDPlayer.

Nothing is imported here at once: the simulated programs are processes of their own, which start
without Django and without pyspnego in a few hundredths of a second.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.workstations.peer.instance import Instance
    from tests.workstations.peer.machine import Machine
    from tests.workstations.peer.server import Peer

__all__ = ["Instance", "Machine", "Peer"]


def __getattr__(name: str) -> Any:
    import importlib

    homes = {"Instance": "instance", "Machine": "machine", "Peer": "server"}
    if name not in homes:
        raise AttributeError(name)
    return getattr(importlib.import_module(f"tests.workstations.peer.{homes[name]}"), name)
