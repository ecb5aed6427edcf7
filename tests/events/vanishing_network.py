"""A network of two machines whose second can vanish: no FIN, no RST, no answer, as when a cable is pulled.

A network namespace at the end of a pair of virtual cables, which Linux lets root make.
"""

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

T = TypeVar("T")

CLONE_NEWNET = 0x40000000


class VanishingNetwork:
    """``here`` is this machine's address in it, ``there`` the other one's. Use :func:`vanishing_network`."""

    def __init__(self, number: int) -> None:
        self.name = f"medimgr-{number}"
        self._cable = f"mv{number % 10**8}"
        block = number % 200
        self.here, self.there = f"198.18.{block}.1", f"198.18.{block}.2"

    def lay(self) -> None:
        """Make the namespace and the cable. Raises CalledProcessError and FileNotFoundError."""
        _ip("netns", "add", self.name)
        far = f"{self._cable}p"
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", far, "netns", self.name)
        _ip("addr", "add", f"{self.here}/30", "dev", self._cable)
        _ip("link", "set", self._cable, "up")
        _ip("-n", self.name, "addr", "add", f"{self.there}/30", "dev", far)
        _ip("-n", self.name, "link", "set", far, "up")

    def over_there(self, call: Callable[[], T]) -> T:
        """Return what ``call`` returns on the other machine: sockets that it makes belong there."""
        answers: list[T] = []
        troubles: list[BaseException] = []

        def run() -> None:
            try:
                with open(f"/run/netns/{self.name}", "rb") as namespace:
                    if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
                        raise OSError(ctypes.get_errno(), "setns")
                answers.append(call())
            except BaseException as error:
                troubles.append(error)

        thread = threading.Thread(target=run)  # a namespace is a thread's own
        thread.start()
        thread.join()
        if troubles:
            raise troubles[0]
        return answers[0]

    def vanish(self) -> None:
        """Take the other machine off the net, in the middle of whatever is said."""
        _ip("-n", self.name, "link", "set", f"{self._cable}p", "down")

    def clear(self) -> None:
        """Remove all of it; what is not there any more is no trouble."""
        for words in (["netns", "del", self.name], ["link", "del", self._cable]):
            subprocess.run(["ip", *words], check=False, capture_output=True, timeout=10)


@contextmanager
def vanishing_network() -> Iterator[VanishingNetwork]:
    """Lay a network for the length of the block; skips the test where that is not permitted."""
    network = VanishingNetwork(os.getpid())
    try:
        try:
            network.lay()
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            said = getattr(error, "stderr", "") or str(error)
            pytest.skip(f"A machine that vanishes needs root and network namespaces (ip netns): {said}")
        yield network
    finally:
        network.clear()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=10)
