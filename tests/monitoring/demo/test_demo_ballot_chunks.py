"""The ballot microservice takes chunk after chunk in constant memory, and nothing makes it hang."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from monitoring.demo import ballots
from monitoring.demo.answers import Refused
from monitoring.demo.encryption import DEMONSTRATION_SECRET, add, decrypt, tracking_code
from tests.monitoring.demo.running import Demo, demo, eventually


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demo("ballots", tmp_path_factory.mktemp("ballots")) as running:
        yield running


def chunk(ballots: int = 32, choices: int = 1) -> dict[str, Any]:
    return {"ballots": [{"id": f"ballot-{n}", "choices": [n % 2] * choices} for n in range(ballots)]}


def test_twenty_chunks_of_32_go_through_in_constant_memory(service: Demo) -> None:
    for _ in range(3):  # what the first chunks bring up (threads, caches) is no growth
        assert service.ask("/chunks", chunk(choices=2)).status == 200
    memory = service.memory_mb()
    began = time.monotonic()
    for _ in range(20):
        answer = service.ask("/chunks", chunk(choices=2))
        assert (answer.status, answer.json["count"]) == (200, 32)
    assert time.monotonic() - began < 60
    # Keeping the answers alone would be 1 MB more, and half of it again for the numbers in them.
    assert service.memory_mb() - memory < 0.75


def test_chunks_at_once_are_all_answered_and_health_answers_meanwhile(service: Demo) -> None:
    with ThreadPoolExecutor(8) as clients:
        under_way = [clients.submit(service.ask, "/chunks", chunk(8)) for _ in range(8)]
        slowest = 0.0
        while not all(future.done() for future in under_way):
            began = time.monotonic()
            assert service.ask("/health").status == 200
            slowest = max(slowest, time.monotonic() - began)
        assert {future.result().status for future in under_way} == {200}
    assert 0 < slowest < 2.0


def test_what_comes_back_is_really_encrypted(service: Demo) -> None:
    ballots = service.ask("/chunks", chunk(4, choices=2)).json["ballots"]
    total = (1, 1)
    for number, ballot in enumerate(ballots):
        pairs = [(int(pad, 16), int(data, 16)) for pad, data in ballot["ciphertexts"]]
        assert [decrypt(pair, DEMONSTRATION_SECRET) for pair in pairs] == [number % 2] * 2
        assert ballot["tracking_code"] == tracking_code(ballot["id"], pairs)
        total = add(total, pairs[0])
    # The sum can be opened without opening any ballot: that is what this encryption is for.
    assert decrypt(total, DEMONSTRATION_SECRET) == 2


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "The body is not JSON"),
        (b"{", 400, "The body is not JSON"),
        (b"\xff\xfe", 400, "The body is not JSON"),
        (b"[" * 100_000, 400, "The body is not JSON"),
        (b"1" * 5000, 400, "The body is not JSON"),
        (b"[]", 422, "The body has to be a JSON object, not list."),
        (b"{}", 422, "Send {"),
        (b'{"ballots": []}', 422, "Send {"),
        (b'{"ballots": [1]}', 422, "ballots[0] is no object with id and choices."),
        (b'{"ballots": [{"id": "", "choices": [1]}]}', 422, "ballots[0].id has to be a text of 1 to 100"),
        (b'{"ballots": [{"id": "a", "choices": []}]}', 422, "ballots[0].choices has to be a list of 1 to 16"),
        (b'{"ballots": [{"id": "a", "choices": [2]}]}', 422, "ballots[0].choices may hold 0 and 1 only."),
        (b'{"ballots": [{"id": "a", "choices": [1.0]}]}', 422, "ballots[0].choices may hold 0 and 1 only."),
        (json.dumps(chunk(65)).encode(), 413, "A chunk has at most 64 ballots, not 65. Send several."),
        (b" " * (1024 * 1024 + 1), 413, "The body has 1048577 bytes; at most 1048576 are taken."),
        (b" " * (8 * 1024 * 1024), 413, "The body has 8388608 bytes; at most 1048576 are taken."),
    ],
)
def test_a_bad_body_is_refused_in_words(service: Demo, body: bytes, status: int, message: str) -> None:
    answer = service.ask("/chunks", body)
    assert answer.status == status
    assert answer.json["error"].startswith(message)
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/chunks", 405), ("POST", "/none", 404), ("BREW", "/chunks", 501)]
)
def test_a_bad_request_is_refused_in_words(service: Demo, method: str, path: str, status: int) -> None:
    answer = service.ask(path, b"x" if method == "POST" else None, method=method)
    assert answer.status == status
    assert answer.json["error"]


def test_a_body_of_unknown_length_is_refused(service: Demo) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    connection.request("POST", "/chunks", iter([b"{}"]), encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["error"]) == (
        411,
        "Send the body with a Content-Length.",
    )
    connection.close()


def test_what_is_no_http_at_all_gets_an_answer(service: Demo) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as raw:
        raw.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert b'"error"' in raw.recv(4096)


def test_clients_that_hang_up_do_no_harm(service: Demo) -> None:
    body = json.dumps(chunk(2)).encode()
    for sent in (body, body[:10]):
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as raw:
            raw.sendall(b"POST /chunks HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + sent)
    assert service.ask("/chunks", chunk(1)).status == 200
    assert "Traceback" not in service.log


def test_a_request_ends_when_its_time_is_up(tmp_path: Path) -> None:
    with demo("ballots", tmp_path, REQUEST_SECONDS="0.2") as impatient:
        answer = impatient.ask("/chunks", chunk(64, choices=16))
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert "did not finish in time" in answer.json["error"]
        assert impatient.health()["chunks"] == 0


def test_more_than_can_wait_are_told_to_come_back() -> None:
    turns = ballots.Turns(1)
    for _ in range(1 + ballots.MOST_WAITING):
        assert turns._places.acquire(blocking=False)
    with pytest.raises(Refused, match="chunks wait already"):
        turns.work_on([], cast(Any, None))


def test_a_request_under_way_is_finished_before_the_end(tmp_path: Path) -> None:
    with demo("ballots", tmp_path) as service, ThreadPoolExecutor(1) as client:
        under_way = client.submit(service.ask, "/chunks", chunk(64, choices=4))

        def seen_at_work() -> bool:
            nonlocal under_way
            if under_way.done():  # over before anybody looked; another one, then
                under_way = client.submit(service.ask, "/chunks", chunk(64, choices=4))
            return bool(service.health()["working"] == 1)

        eventually(seen_at_work)
        assert service.end() == 0
        assert under_way.result().json["count"] == 64
