"""``test_connection`` tells a listener, a refusal, silence and an unknown name apart, within its time."""

import socket
import time

import pytest

from tests.running import free_port
from tests.silent_listener import silent_listener
from workstations import connection
from workstations.models import Workstation


def workstation(host: str = "127.0.0.1", port: int = 5985) -> Workstation:
    return Workstation(pk=12, name="ws-12", host=host, port=port)


def test_a_listener_is_online() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        result = connection.test_connection(workstation(port=listener.getsockname()[1]))
    assert result.pop("response_time_ms") < 1000  # type: ignore[misc]
    assert result == {
        "connected": True,
        "workstation_id": 12,
        "workstation_name": "ws-12",
        "status": "online",
    }


def test_the_listener_gets_nothing_but_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection.test_connection(workstation(port=listener.getsockname()[1]))
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(2)
            assert peer.recv(1) == b""


def test_a_closed_port_is_offline_and_says_that_the_machine_is_up() -> None:
    result = connection.test_connection(workstation(port=free_port()))
    assert (result["connected"], result["status"]) == (False, "offline")
    assert "refuses connections" in result["error_message"]
    assert "winrm quickconfig" in result["error_message"]


def test_silence_is_offline_after_the_time_and_not_later() -> None:
    with silent_listener() as port:
        begin = time.monotonic()
        result = connection.test_connection(workstation(port=port), timeout=0.4)
        took = time.monotonic() - begin
    assert (result["connected"], result["status"]) == (False, "offline")
    assert "did not answer" in result["error_message"]
    assert "0.4 s" in result["error_message"]
    assert 0.35 < took < 1.5
    assert result["response_time_ms"] >= 350


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 70 + ".example"])
def test_a_name_that_means_nothing_is_an_error_and_is_named(host: str) -> None:
    result = connection.test_connection(workstation(host=host), timeout=2.0)
    assert (result["connected"], result["status"]) == (False, "error")
    assert host in result["error_message"]
    assert "name" in result["error_message"]
    assert result["response_time_ms"] < 2500


def test_the_other_address_of_a_name_is_tried_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """``localhost`` often is ::1 and 127.0.0.1, and a listener may have only one of them."""
    closed = free_port()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        both = [("127.0.0.1", closed), ("127.0.0.1", port)]
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in both],
        )
        assert connection.test_connection(workstation("twofold", port))["connected"]
