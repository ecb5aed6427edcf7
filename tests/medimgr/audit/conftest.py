"""Each test of the audit begins with open floodgates."""

from collections.abc import Iterator

import pytest

from medimgr.audit import logins, refusals


@pytest.fixture(autouse=True)
def open_floodgates() -> Iterator[None]:
    gates = (logins.failures, logins.locks, refusals.refusals)
    for gate in gates:
        gate.forget()
    yield
    for gate in gates:
        gate.forget()
