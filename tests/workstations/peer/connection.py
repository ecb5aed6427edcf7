"""One connection of a client: HTTP, the login that belongs to it, and the troubles on the way."""

import base64
import contextlib
import select
import socket
import ssl
import struct
import time
import xml.etree.ElementTree as ET
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from spnego.exceptions import SpnegoError

from tests.workstations.peer import soap
from tests.workstations.peer.authentication import PROTOCOL, Login

if TYPE_CHECKING:
    from tests.workstations.peer.machine import Machine

_BANNER = b"SSH-2.0-OpenSSH_for_Windows_9.5\r\n"
_SOAP = "application/soap+xml;charset=UTF-8"
_SEALED = f'multipart/encrypted;protocol="{PROTOCOL}";boundary="Encrypted Boundary"'
_LOOK_SECONDS = 0.1


class Reset(Exception):
    """The connection is to be cut off now."""


class Connection(BaseHTTPRequestHandler):
    """Serves one connection to its end. Its thread is the one that makes it."""

    protocol_version = "HTTP/1.1"
    server_version = "Microsoft-HTTPAPI/2.0"
    sys_version = ""
    timeout = 600

    def __init__(self, request: socket.socket, address: Any, machine: "Machine") -> None:
        self.machine = machine
        self.login = Login(machine.accounts, machine.channel_bindings)
        self._since = time.monotonic()
        super().__init__(request, address, machine)  # type: ignore[arg-type]

    def setup(self) -> None:
        """Send at once: without, every call takes 40 ms twice."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().setup()

    def handle(self) -> None:
        """Serve until the client or a fault ends it."""
        try:
            if self.machine.faults.not_http:
                self.request.sendall(_BANNER)
                self.request.recv(1024)
            else:
                super().handle()
        except Reset:
            reset(self.request)
        except (OSError, ssl.SSLError):
            pass

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: tests read what the machine keeps."""

    def do_GET(self) -> None:
        """Answer as WinRM does."""
        self._answer(405, b"")

    def do_POST(self) -> None:
        """Log the client in, or answer its request."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        faults = self.machine.faults
        self.machine.requests += 1
        if faults.strikes("unavailable"):
            return self._answer(503, b"Service Unavailable", "text/html")
        if faults.strikes("html"):
            return self._answer(200, b"<!DOCTYPE html><title>Welcome</title><p>It works!", "text/html")
        if faults.strikes("redirect"):
            return self._answer(302, b"", headers=[("Location", "https://elsewhere.invalid/")])
        self._trouble_before("Connect" if not self.login.user else "")
        answer = b""
        if authorization := self.headers.get("Authorization", ""):
            scheme, _, token = authorization.partition(" ")
            if scheme not in ("Negotiate", "NTLM") or not self.machine.accepts_negotiate:
                return self._refuse()
            try:
                answer = self.login.offer(base64.b64decode(token)) or b""
            except (SpnegoError, ValueError):
                self.machine.failed_logins += 1
                return self._refuse()
            offered = (
                [("WWW-Authenticate", f"{scheme} {base64.b64encode(answer).decode()}")] if answer else []
            )
            if not self.login.user:
                return self._answer(401, b"", headers=offered)
        else:
            offered = []
        if not self.login.user:
            return self._refuse()
        if not body:
            return self._answer(200, b"", headers=offered)
        sealed = self.headers.get("Content-Type", "").startswith("multipart/encrypted")
        if not sealed and not isinstance(self.request, ssl.SSLSocket):
            return self._refuse()
        try:
            request = soap.read(self.login.unseal(body) if sealed else body)
        except (SpnegoError, ET.ParseError, IndexError, struct.error):
            return self._answer(400, b"")
        self._serve(request, sealed, offered)
        return None

    def _serve(self, request: soap.Request, sealed: bool, headers: list[tuple[str, str]]) -> None:
        self._trouble_before(request.action)
        self.machine.actions.append(request.action)
        status = 200
        try:
            message = soap.answer(request, self.machine.winrs.answer(request, self.login.user, self._gone))
        except soap.Fault as fault:
            status, message = 500, soap.fault(request, fault)
        if sealed:
            message = self.login.seal(message)
            if self.machine.faults.strikes("broken_seal"):
                message = message[:-60] + bytes(byte ^ 0x55 for byte in message[-60:-40]) + message[-40:]
        halfway = self.machine.faults.strikes("rst_in", request.action) or (
            request.action == "Receive" and self.machine.faults.strikes("rst_in_receive")
        )
        self._answer(status, message, _SEALED if sealed else _SOAP, headers, halfway=halfway)

    def _trouble_before(self, action: str) -> None:
        if not action:
            return
        faults = self.machine.faults
        if faults.strikes("rst_before", action):
            raise Reset
        if faults.strikes("stall_in", action) or (action == "Receive" and faults.strikes("stall_in_receive")):
            end = time.monotonic() + faults.stall_seconds
            while time.monotonic() < end:
                if self.machine.closing.wait(_LOOK_SECONDS) or self._gone():
                    raise Reset

    def _gone(self) -> bool:
        """Return whether the client has closed its end, or the machine is being closed."""
        if self.machine.closing.is_set():
            return True
        if isinstance(self.request, ssl.SSLSocket):
            return self._readable() and not self.request.pending() and self._peeked() == b""
        return self._readable() and self._peeked() == b""

    def _readable(self) -> bool:
        return bool(select.select([self.request], [], [], 0)[0])

    def _peeked(self) -> bytes:
        try:
            with socket.socket(fileno=socket.dup(self.request.fileno())) as raw:
                return raw.recv(1, socket.MSG_PEEK)
        except OSError:
            return b""

    def _refuse(self) -> None:
        schemes = ["Negotiate", "NTLM"] if self.machine.accepts_negotiate else ['Basic realm="WSMAN"']
        self._answer(401, b"", headers=[("WWW-Authenticate", scheme) for scheme in schemes])

    def _answer(
        self,
        status: int,
        body: bytes,
        content_type: str = "",
        headers: list[tuple[str, str]] | None = None,
        *,
        halfway: bool = False,
    ) -> None:
        lines = [f"HTTP/1.1 {status} {self.responses[status][0]}", "Server: Microsoft-HTTPAPI/2.0"]
        lines += [f"{name}: {value}" for name, value in headers or []]
        lines += [f"Content-Type: {content_type}"] if content_type else []
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode()
        if halfway:
            self.request.sendall(head + body[: len(body) // 2])
            raise Reset
        self.request.sendall(head + body)


def reset(connection: socket.socket) -> None:
    """Cut a connection off so that the other end sees a reset."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
