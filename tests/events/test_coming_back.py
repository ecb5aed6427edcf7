"""A thousand clients of a server that restarts are told to come back one after the other."""

from collections import Counter

import pytest

from medimgr.events.subscription import End
from tests.events.test_subscription import Scene, opening

CLIENTS = 1000


@pytest.mark.parametrize("reason", [End.SHUTDOWN, End.TOO_OLD])
async def test_a_thousand_goodbyes_name_times_that_are_spread_out(reason: End) -> None:
    waits = []
    for _ in range(CLIENTS):
        scene = Scene()
        scene.open(opening(0, 0))
        scene.stream.end(reason)
        (bye,) = [message for message in scene.sink.read() if message.name == "bye"]
        assert bye.data["reason"] == reason.value
        waits.append(bye.data["retry_ms"])
    assert min(waits) >= 1000, "the successor needs a moment"
    assert max(waits) - min(waits) > 3500
    # A web worker takes a thousand within a second; no tenth of a second may bring more than half of that.
    assert max(Counter(wait // 100 for wait in waits).values()) <= 50
