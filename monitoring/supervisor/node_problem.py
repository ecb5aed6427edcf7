"""What is wrong with a node, from all who look after it, as the one text that its row has."""

import threading
from collections.abc import Callable


class NodeProblem:
    """Joins what several sources say; any thread may speak."""

    def __init__(self, put: Callable[[str], None]) -> None:
        """``put`` gets the whole text whenever it has changed; empty for nothing."""
        self._put = put
        self._said: dict[str, str] = {}
        self._whole = ""
        self._lock = threading.Lock()

    def of(self, source: str) -> Callable[[str], None]:
        """Return what ``source`` says its problem with, each time in the place of what it said before."""

        def say(problem: str) -> None:
            with self._lock:
                self._said[source] = problem
                whole = " ".join(text for text in self._said.values() if text)
                if whole != self._whole:
                    self._whole = whole
                    self._put(whole)

        return say
