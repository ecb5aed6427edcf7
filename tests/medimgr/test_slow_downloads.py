"""A download waits for its client: a log of any size passes through a web worker that stays small."""

import socket
import time
from dataclasses import dataclass

import httpx
import psutil
import pytest
from django.contrib.auth.models import User

from tests.events.sessions import log_in
from tests.factories import make_service
from tests.running import Instance, RunningProcess, free_port, wait_for

MB = 1024 * 1024
SIZE = 100 * MB
PATH = "/api/services/big/log/download"


@dataclass
class Site:
    port: int
    cookie: str
    daphne: RunningProcess

    def client(self) -> httpx.Client:
        url = f"http://127.0.0.1:{self.port}"
        return httpx.Client(base_url=url, headers={"Cookie": self.cookie}, timeout=20)


@pytest.fixture
def site(instance: Instance) -> Site:
    """A Daphne with a service whose log has 100 MB, and an administrator."""
    with instance.database():
        user = User.objects.create(username="root", is_superuser=True, is_staff=True)
        cookie = f"sessionid={log_in(user)}"
        make_service("big")
    log = instance.data_dir / "logs" / "big.log"
    log.parent.mkdir(exist_ok=True)
    log.write_bytes((b"x" * 1023 + b"\n") * (SIZE // 1024))
    port = free_port()
    return Site(port, cookie, instance.daphne(port))


def test_a_client_that_hardly_reads_takes_no_memory_and_gets_every_byte(site: Site) -> None:
    process = psutil.Process(site.daphne.pid)
    with site.client() as client:
        client.get(PATH, params={"last": 1000}).raise_for_status()
    before = process.memory_info().rss
    with socket.create_connection(("127.0.0.1", site.port)) as slow:
        slow.settimeout(20)
        headers = f"Host: 127.0.0.1\r\nCookie: {site.cookie}\r\n"
        slow.sendall(f"GET {PATH} HTTP/1.1\r\n{headers}\r\n".encode())
        data = slow.recv(4096)
        assert data.startswith(b"HTTP/1.1 200"), data
        # The rest of it waits: once the worker does nothing more, look at what it holds.
        wait_for(lambda: process.cpu_percent(0.3) < 5, 20, "the download waits for its client")
        assert process.memory_info().rss - before < 30 * MB
        while b"\r\n\r\n" not in data:
            data += slow.recv(4096)
        head, _, body = data.partition(b"\r\n\r\n")
        assert b"Content-Length: %d" % SIZE in head
        got, largest, looked = len(body), 0, time.monotonic()
        while got < SIZE:
            piece = slow.recv(MB)
            assert piece, f"it ended after {got} bytes"
            got += len(piece)
            if time.monotonic() - looked > 0.05:
                looked = time.monotonic()
                largest = max(largest, process.memory_info().rss)
        assert got == SIZE
        assert largest - before < 40 * MB
    assert "Traceback" not in site.daphne.output()


def test_a_client_that_goes_away_in_the_middle_is_let_go(site: Site) -> None:
    with site.client() as client:
        for _ in range(3):
            with client.stream("GET", PATH) as response:
                next(response.iter_raw(100))
            assert client.get("/api/health").status_code == 200
        assert len(client.get(PATH, params={"last": 20 * MB}).content) == 20 * MB
    assert "Traceback" not in site.daphne.output()
