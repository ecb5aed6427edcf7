"""NTLM as a Windows machine accepts it, with messages encrypted: pyspnego's acceptor, once per connection."""

import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import spnego
from spnego._ntlm_raw.crypto import lmowfv1, ntowfv1
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import SpnegoError

BOUNDARY = b"--Encrypted Boundary"
PROTOCOL = "application/HTTP-SPNEGO-session-encrypted"
_users = threading.Lock()


class Accounts:
    """The users of one machine, in a file as pyspnego's acceptor reads it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.epoch = 0
        """Grows when all who are logged in have to do so again."""

    def put(self, username: str, password: str) -> None:
        """Make this the one user."""
        domain, _, user = username.rpartition("\\")
        entry = f"{domain}\\{user}" if domain else user
        hashes = f"{lmowfv1(password).hex()}:{ntowfv1(password).hex()}"
        self._file.write_text(f"{entry}:1000:{hashes}:[U]:LCT-1589398321\n", encoding="utf-8")

    def accept(self, token: bytes, bindings: GssChannelBindings | None) -> spnego.ContextProxy:
        """Return a new acceptor, as the first token of the client wants it."""
        plain = token.startswith(b"NTLMSSP\0")
        options = spnego.NegotiateOptions
        with self._in_force():
            return spnego.server(
                protocol="ntlm" if plain else "negotiate",
                channel_bindings=bindings,
                options=options.use_ntlm if plain else options.use_negotiate,
            )

    def step(self, context: spnego.ContextProxy, token: bytes) -> bytes | None:
        """Take one step of the handshake. Raises SpnegoError where name or password are wrong."""
        with self._in_force():
            return context.step(token)

    @contextmanager
    def _in_force(self) -> Iterator[None]:
        """Have pyspnego use these accounts: it finds them by the environment of the process alone."""
        with _users:
            before = os.environ.get("NTLM_USER_FILE")
            os.environ["NTLM_USER_FILE"] = str(self._file)
            try:
                yield
            finally:
                if before is None:
                    del os.environ["NTLM_USER_FILE"]
                else:
                    os.environ["NTLM_USER_FILE"] = before


class Login:
    """The security context of one connection."""

    def __init__(self, accounts: Accounts, bindings: GssChannelBindings | None) -> None:
        self._accounts = accounts
        self._bindings = bindings
        self._context: spnego.ContextProxy | None = None
        self._epoch = -1

    @property
    def user(self) -> str:
        """Return who is logged in on this connection, empty: nobody, or one whose login is void by now."""
        if self._context is None or not self._context.complete or self._epoch != self._accounts.epoch:
            return ""
        return self._context.client_principal or ""

    def offer(self, token: bytes) -> bytes | None:
        """Take the client's token and return the answer to it. Raises SpnegoError where it is refused."""
        if self._context is None or self._context.complete:
            self._context = self._accounts.accept(token, self._bindings)
        try:
            answer = self._accounts.step(self._context, token)
        except SpnegoError:
            self._context = None
            raise
        if self._context.complete:
            self._epoch = self._accounts.epoch
        return answer

    def unseal(self, body: bytes) -> bytes:
        """Return the message in an encrypted body. Raises SpnegoError where its seal is broken."""
        assert self._context is not None
        payload = body.split(BOUNDARY + b"\r\n")[2].removesuffix(BOUNDARY + b"--\r\n")
        payload = payload.removeprefix(b"\tContent-Type: application/octet-stream\r\n")
        length = struct.unpack("<i", payload[:4])[0]
        return self._context.unwrap_winrm(payload[4 : 4 + length], payload[4 + length :])

    def seal(self, message: bytes) -> bytes:
        """Return an encrypted body with this message."""
        assert self._context is not None
        sealed = self._context.wrap_winrm(message)
        head = (
            b"\tContent-Type: " + PROTOCOL.encode() + b"\r\n"
            b"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length="
            + str(len(message) + sealed.padding_length).encode()
            + b"\r\n"
        )
        data = struct.pack("<i", len(sealed.header)) + sealed.header + sealed.data
        return (
            BOUNDARY + b"\r\n" + head + BOUNDARY + b"\r\n"
            b"\tContent-Type: application/octet-stream\r\n" + data + BOUNDARY + b"--\r\n"
        )
