"""What tests of workstations share: simulated ones."""

from collections.abc import Iterator

import pytest

from tests.workstations.peer import Peer


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Simulated workstations: ``peer.machine("pc-1", instances=["Farm 1"])``."""
    with Peer() as peer:
        yield peer
