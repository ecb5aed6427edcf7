"""TLS with a workstation: what is trusted is what the workstation's row says, and each refusal says why."""

import ssl
from pathlib import Path
from typing import Any

import pytest
import requests.adapters

from tests.workstations.peer import Machine, Peer
from tests.workstations.peer.certificates import authority, certificate
from tests.workstations.winrm_sessions import SAMPLE, nothing_left_of, session
from workstations.exceptions import AuthenticationFailure, ConnectionLost, RemoteFailure, TlsFailure


@pytest.fixture
def machine(peer: Peer) -> Machine:
    return peer.machine("pc-9", certificate=certificate())


def test_a_workstation_whose_signer_is_known_is_worked_with(machine: Machine) -> None:
    with nothing_left_of(machine), session(machine, ca_certificates=authority()) as host:
        for number in range(3):
            assert host.run(SAMPLE, ["exit", str(number)], timeout=20).exit_code == number
        assert machine.open_connections == 1
        assert host.run(SAMPLE, ["print", "200000"], timeout=20).stdout == b"x" * 200_000
        assert host.run(SAMPLE, ["echo"], timeout=20, stdin=b"y" * 200_000).stdout == b"y" * 200_000


def test_the_certificate_itself_may_be_what_is_known(machine: Machine) -> None:
    own = ssl.get_server_certificate((machine.host, machine.port), timeout=5)
    with session(machine, ca_certificates=own) as host:
        assert host.run(SAMPLE, ["exit", "4"], timeout=20).exit_code == 4


def test_the_login_is_bound_to_the_certificate(machine: Machine) -> None:
    machine.channel_bindings = certificate().bindings
    trusting = session(machine, ca_certificates=authority())
    with nothing_left_of(machine), pytest.raises(AuthenticationFailure), trusting as host:
        host.run(SAMPLE, ["exit", "0"], timeout=20)


def refused(machine: Machine, **changes: Any) -> TlsFailure:
    """Return why a session is refused, with nothing of it left and no login made."""
    with nothing_left_of(machine), pytest.raises(TlsFailure) as raised, session(machine, **changes) as host:
        host.run(SAMPLE, ["exit", "0"], timeout=20)
    assert machine.requests == 0
    assert machine.name in raised.value.detail
    return raised.value


def test_a_signer_that_is_not_known_is_refused(machine: Machine) -> None:
    assert "Enter who has signed it" in refused(machine).detail


def test_nothing_of_the_environment_is_trusted(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bundle = tmp_path_factory.mktemp("trust") / "bundle.pem"
    bundle.write_text(authority())
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(bundle))
    refused(machine)


def test_where_a_signer_is_declared_no_other_is_trusted(
    peer: Peer, machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(authority())
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(bundle))
    other = peer.machine("pc-other", certificate=certificate())
    declared = ssl.get_server_certificate((other.host, other.port), timeout=5)
    refused(machine, ca_certificates=declared)


def test_an_expired_certificate_is_refused(peer: Peer) -> None:
    machine = peer.machine("pc-old", certificate=certificate(days=0))
    assert "expired" in refused(machine, ca_certificates=authority()).detail


def test_a_certificate_for_another_name_is_refused(peer: Peer) -> None:
    machine = peer.machine("pc-else", certificate=certificate("elsewhere.lan"))
    assert "by a name that the certificate has" in refused(machine, ca_certificates=authority()).detail


def test_a_workstation_that_speaks_no_tls_is_refused(peer: Peer) -> None:
    machine = peer.machine("pc-plain")
    assert "its listener is HTTPS" in refused(machine, tls=True, ca_certificates=authority()).detail


def test_certificates_that_are_none_are_told_of(machine: Machine) -> None:
    assert "can't be read" in refused(machine, ca_certificates="-----BEGIN NOTHING-----").detail


def test_tls_that_is_not_declared_is_hinted_at(machine: Machine) -> None:
    with (
        nothing_left_of(machine),
        pytest.raises(RemoteFailure) as raised,
        session(machine, tls=False) as host,
    ):
        host.run(SAMPLE, ["exit", "0"], timeout=20)
    assert "TLS" in raised.value.detail


def test_a_connection_that_breaks_under_tls_is_lost_and_made_anew(machine: Machine) -> None:
    machine.faults.rst_in_receive = 1
    with nothing_left_of(machine), session(machine, ca_certificates=authority()) as host:
        with pytest.raises(ConnectionLost):
            host.run(SAMPLE, ["lines", "60", "0.1"], timeout=20)
        assert host.run(SAMPLE, ["exit", "5"], timeout=20).exit_code == 5
        for connection in list(machine.connections):
            connection.shutdown(2)
        assert host.run(SAMPLE, ["exit", "6"], timeout=20).exit_code == 6
