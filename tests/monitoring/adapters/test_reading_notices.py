"""What services say is read as sd_notify(3) means it; garbage is passed over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.states import HealthKind, ReadyKind
from monitoring.supervisor.notices import Notice, notify_environment, read_notices, uses_notify
from monitoring.supervisor.spec import HealthCheck, Limits, Readiness, ServiceSpec


@pytest.mark.parametrize(
    ("datagrams", "notice"),
    [
        ([b"READY=1"], Notice(ready=True)),
        ([b"READY=1\nSTATUS=Serving 8001\n"], Notice(ready=True, status="Serving 8001")),
        ([b"READY=0"], Notice()),
        ([b"READY=1", b"STOPPING=1"], Notice(ready=True, stopping=True)),
        ([b"WATCHDOG=1"], Notice(watchdog=True)),
        ([b"WATCHDOG=trigger"], Notice()),
        ([b"WATCHDOG=1", b"WATCHDOG=trigger"], Notice(watchdog=True)),
        ([b"X_REQUESTS=5", b"X_REQUESTS=17"], Notice(requests=17)),
        ([b"X_REQUESTS=-1"], Notice()),
        ([b"X_REQUESTS=1e9"], Notice()),
        (["X_REQUESTS=١٢".encode()], Notice()),
        ([b"X_REQUESTS=" + b"9" * 4000], Notice()),
        ([b"EXTEND_TIMEOUT_USEC=1500000"], Notice(extend_seconds=1.5)),
        ([b"EXTEND_TIMEOUT_USEC=999999999999999999"], Notice(extend_seconds=86400.0)),
        ([b"STATUS=\x1b[31mred\x1b[0m\x07\r"], Notice(status="red")),
        ([b"STATUS="], Notice(status="")),
        ([b"STATUS=a=b"], Notice(status="a=b")),
        ([b"STATUS=\xff\xfe"], Notice(status="��")),
        ([b"STATUS=" + b"x" * 5000], Notice(status="x" * 200)),
        ([b"MAINPID=12\nRELOADING=1\nFDSTORE=1\nBARRIER=1\nERRNO=2"], Notice()),
        ([b" READY=1", b"ready=1", b"READY", b"", b"\n\n", b"\0"], Notice()),
        ([], Notice()),
    ],
)
def test_it_is_read_as_it_is_meant(datagrams: list[bytes], notice: Notice) -> None:
    assert read_notices(datagrams) == notice
    assert bool(notice) == (notice != Notice())


known = st.sampled_from(
    [b"READY", b"STOPPING", b"WATCHDOG", b"STATUS", b"X_REQUESTS", b"EXTEND_TIMEOUT_USEC"]
)
line = st.one_of(st.builds(lambda n, v: n + b"=" + v, known, st.binary(max_size=30)), st.binary(max_size=50))


@given(st.lists(st.lists(line, max_size=6).map(b"\n".join), max_size=6))
def test_whatever_comes_does_no_harm(datagrams: list[bytes]) -> None:
    notice = read_notices(datagrams)
    assert notice.requests is None or 0 <= notice.requests < 10**18
    assert notice.extend_seconds is None or 0 <= notice.extend_seconds <= 86400
    assert notice.status is None or (len(notice.status) <= 200 and "\0" not in notice.status)
    lines = [line for datagram in datagrams for line in datagram.split(b"\n")]
    assert notice.ready == (b"READY=1" in lines)
    assert notice.watchdog == (b"WATCHDOG=1" in lines)


@given(
    st.integers(0, 10**18 - 1),
    st.text(st.characters(exclude_categories=["C", "Z"]), max_size=200),
    st.lists(st.sampled_from(["READY=1", "WATCHDOG=1", "STOPPING=1"]), max_size=3, unique=True),
    st.booleans(),
)
def test_what_is_said_is_understood_in_one_datagram_or_in_many(
    requests: int, status: str, flags: list[str], together: bool
) -> None:
    lines = [line.encode() for line in (f"X_REQUESTS={requests}", f"STATUS={status}", *flags)]
    assert read_notices([b"\n".join(lines)] if together else lines) == Notice(
        ready="READY=1" in flags,
        watchdog="WATCHDOG=1" in flags,
        stopping="STOPPING=1" in flags,
        requests=requests,
        status=status,
    )


def test_a_service_is_told_where_to_say_it_only_if_that_is_needed() -> None:
    def env(**fields: object) -> dict[str, str]:
        spec = ServiceSpec("it", "It", ("it",), **fields)  # type: ignore[arg-type]
        assert uses_notify(spec) == bool(notify_environment(spec, "/s"))
        return notify_environment(spec, "/s")

    assert env() == {}
    assert env(readiness=Readiness(ReadyKind.NOTIFY)) == {"NOTIFY_SOCKET": "/s"}
    assert env(limits=Limits(requests=100)) == {"NOTIFY_SOCKET": "/s"}
    check = HealthCheck(HealthKind.NOTIFY, silence=2.5)
    assert env(health=check) == {"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "2500000"}
