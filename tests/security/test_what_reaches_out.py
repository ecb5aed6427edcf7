"""What a declaration makes the supervisor ask for (SSRF): plain HTTP, one request, nothing told of it."""

import asyncio
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from monitoring.declaration.values import is_http_url
from monitoring.supervisor.http_probe import Bad, Stage, http_probe
from monitoring.supervisor.name_lookup import NameLookup

SECRET = "inside-the-network-7"


class Inside(BaseHTTPRequestHandler):
    """A server of the inner network that leads on and has something to tell."""

    asked: list[tuple[str, dict[str, str]]] = []

    def do_GET(self) -> None:
        self.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        status = {"/to-itself": 302, "/to-a-file": 301, "/no": 500}.get(self.path, 200)
        self.send_response(status, f"Fine {SECRET}" if self.path == "/phrase" else None)
        if status in (301, 302):
            place = "file:///etc/passwd" if self.path == "/to-a-file" else "/secret"
            self.send_header("Location", place)
        self.send_header("X-Secret", SECRET)
        self.end_headers()
        self.wfile.write(SECRET.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def inside() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Inside)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    Inside.asked.clear()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(5)
    server.server_close()


def probed(url: str, text: str = "") -> str:
    """Return the words about a probe, good or bad."""

    async def ask() -> str:
        names = NameLookup(asyncio.get_running_loop())
        try:
            return await http_probe(url, text, asyncio.get_running_loop().time() + 3, Stage(), names)
        except (Bad, OSError, ValueError) as error:
            return str(error)

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1:70/_x",
        "ftp://127.0.0.1/x",
        "dict://127.0.0.1:11211/stats",
        "data:text/plain,x",
        "unix:///run/docker.sock",
        "javascript:alert(1)",
        "//127.0.0.1/x",
        "http:///x",
        "http://",
        "http://127.0.0.1/a\r\nX-Evil: 1",
        "http://127.0.0.1/a b",
        "http://127.0.0.1:0x50/",
        "http://127.0.0.1:99999/",
        "https://127.0.0.1/",
        " http://127.0.0.1/",
        "http://[::1/",
    ],
)
def test_nothing_but_plain_http_is_taken(url: str) -> None:
    assert not is_http_url(url)


@pytest.mark.parametrize("path", ["/to-itself", "/to-a-file"])
def test_nobody_is_led_on_to_elsewhere(inside: str, path: str) -> None:
    probed(f"http://{inside}{path}")
    assert [asked for asked, _ in Inside.asked] == [path]


@pytest.mark.parametrize("path", ["/secret", "/to-itself", "/no", "/phrase"])
@pytest.mark.parametrize("text", ["", "something else"])
def test_of_the_answer_nothing_is_told_but_the_status(inside: str, path: str, text: str) -> None:
    assert SECRET not in probed(f"http://{inside}{path}", text)


def test_a_name_and_a_password_in_the_url_go_nowhere(inside: str) -> None:
    probed(f"http://somebody:s3cret@{inside}/x")
    assert [path for path, _ in Inside.asked] == ["/x"]
    headers = Inside.asked[0][1]
    assert "authorization" not in headers
    assert "s3cret" not in str(headers)
    assert "cookie" not in headers


def test_a_path_of_line_ends_stays_one_request(inside: str) -> None:
    probed(f"http://{inside}/a%0d%0aGET%20/secret?q=%0d%0aX-Evil:1")
    assert len(Inside.asked) == 1
    assert "x-evil" not in Inside.asked[0][1]


def test_an_answer_without_end_ends() -> None:
    began = time.monotonic()

    class Endless(Inside):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                while time.monotonic() - began < 10:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        probed(f"http://127.0.0.1:{server.server_port}/", "never there")
        assert time.monotonic() - began < 5
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
