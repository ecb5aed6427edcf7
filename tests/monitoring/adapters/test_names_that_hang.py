"""Name servers that never answer hold up nothing but the probes of names that they are asked for."""

import asyncio
import errno
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monitoring.supervisor.name_lookup import NameLookup
from tests.monitoring.adapters.conftest import PROGRAMS

ROOT = Path(__file__).parents[3]


def test_name_servers_that_hang_hold_up_neither_other_probes_nor_the_end(tmp_path: Path) -> None:
    """Scenario 15, with a real resolver and a name server that swallows every question."""
    begun = time.monotonic()
    done = subprocess.run(
        [
            *("unshare", "--user", "--map-root-user", "--mount", "--net"),
            *(sys.executable, str(PROGRAMS / "silent_names.py"), str(tmp_path / "resolv.conf")),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode == errno.EPERM or "unshare:" in done.stderr:
        pytest.skip(f"no network of one's own can be had here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun < 30  # the resolver itself would hang for minutes
    found = json.loads(done.stdout)
    answers = found["answers"]
    assert answers.pop("local") == answers.pop("address") == [[True, False, "answered 200 OK"]]
    assert len(answers) == 20
    for key, results in answers.items():
        words = f"its host name {key}.example could not be looked up within 0.5 s"
        assert results == [[False, False, words]]
    assert found["slowest"] < 0.25


async def test_addresses_and_localhost_need_no_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    names = NameLookup(asyncio.get_running_loop())
    for host, addresses in (
        ("127.0.0.1", ("127.0.0.1",)),
        ("::1", ("::1",)),
        ("localhost", ("127.0.0.1", "::1")),
        ("LocalHost.", ("127.0.0.1", "::1")),
    ):
        assert await names.addresses(host) == addresses


async def test_an_answer_serves_for_a_while_and_a_refusal_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = socket.getaddrinfo

    def counting(host: str, *arguments: object, **options: object) -> object:
        asked.append(host)
        return real(host, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", counting)
    names = NameLookup(asyncio.get_running_loop())
    own = socket.gethostname()
    first = await asyncio.gather(*(names.addresses(own) for _ in range(10)), return_exceptions=True)
    assert asked == [own]
    if not isinstance(first[0], BaseException):  # a machine may well not know its own name
        assert await names.addresses(own) == first[0]
        assert asked == [own]
    for host in ("no-such-host.invalid", "a..b", "x" * 300):
        for _ in range(2):
            with pytest.raises(OSError, match=r".+"):
                await names.addresses(host)
    assert asked[1:] == ["no-such-host.invalid"] * 2 + ["a..b"] * 2 + ["x" * 300] * 2
