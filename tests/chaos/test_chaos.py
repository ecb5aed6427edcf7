"""Operations, crashes, frozen services, a killed supervisor and a stalled database at once (scenario 16).

MEDIMGR_CHAOS_SECONDS says for how long (20), MEDIMGR_CHAOS_SEED repeats a schedule. ``pytest -m chaos``
runs this alone.
"""

import os
import random
import sys

import pytest

from tests.chaos.schedule import Chaos
from tests.monitoring.supervision.ward import PROGRAMS, Ward

SECONDS = float(os.environ.get("MEDIMGR_CHAOS_SECONDS") or 20)
SEED = int(os.environ.get("MEDIMGR_CHAOS_SEED") or random.randrange(1_000_000))

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(SECONDS + 180)]


@pytest.mark.both_databases
def test_no_chaos_doubles_loses_or_forgets_anything(ward: Ward) -> None:
    print(f"MEDIMGR_CHAOS_SEED={SEED} MEDIMGR_CHAOS_SECONDS={SECONDS:g}")
    Chaos(ward, SEED).run(SECONDS)


def test_the_chaos_finds_a_supervisor_that_does_not_adopt(ward: Ward) -> None:
    """The bug is planted by a program that supervises as medimgr does, but takes nothing over."""
    command = [sys.executable, str(PROGRAMS / "supervisor_without_adoption.py")]
    with pytest.raises(AssertionError, match="doubled"):
        Chaos(ward, 7, command).run(8)
