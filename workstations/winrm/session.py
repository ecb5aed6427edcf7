"""The HTTP under WSMan: one connection that logs in, waits patiently and asks nothing of the environment.

Loads requests and pypsrp, so it is imported where somebody connects, and never by a web worker.
"""

import logging
import select
import ssl
from typing import Any

import requests
import requests.adapters
from pypsrp.negotiate import HTTPNegotiateAuth
from pypsrp.wsman import WSMan
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from workstations.access import Access
from workstations.exceptions import ConnectionLost, ProtocolFailure, TlsFailure
from workstations.winrm.dialing import dialled
from workstations.winrm.patience import Patience
from workstations.winrm.sockets import PatientContext, PatientSocket

# Every failure is told by us, in our words; pypsrp would log most of them a second time, as errors.
logging.getLogger("pypsrp").setLevel(logging.CRITICAL)

OPERATION_SECONDS = 5
"""How long a workstation may hold back an answer that has no news."""


class Line:
    """The TCP connection of a session, one at a time: what its login belongs to."""

    def __init__(self, access: Access, patience: Patience) -> None:
        self._access = access
        self._patience = patience
        self.socket: PatientSocket | None = None
        """The last one; taken apart where TLS is spoken over it."""
        self._made: list[HTTPConnection] = []
        self.sealed = False
        """A login has been made, and messages are sealed with its keys: no other connection takes them."""

    def dial(self) -> PatientSocket:
        """Connect. Raises what :func:`dialled` does; ConnectionLost where a login would be lost by it."""
        if self.sealed:
            raise ConnectionLost(
                f"{self._access.name} closed the connection while it was used. Ask for it again."
            )
        self.socket = dialled(self._access.host, self._access.port, self._patience)
        return self.socket

    def keep(self, connection: HTTPConnection) -> None:
        """Remember a connection, to hang up."""
        self._made.append(connection)

    def hang_up(self) -> None:
        """Close all, answers that nobody has read included; the pool would leave those to the collector."""
        for connection in self._made:
            connection.close()
        self._made.clear()
        self.socket = None
        self.sealed = False


class _Connection(HTTPConnection):
    line: Line

    def _new_conn(self) -> PatientSocket:
        return self.line.dial()


class _TlsConnection(HTTPSConnection):
    line: Line

    def _new_conn(self) -> PatientSocket:
        return self.line.dial()


class _Adapter(requests.adapters.HTTPAdapter):
    """Makes connections of ours, one at a time."""

    def __init__(self, line: Line, context: ssl.SSLContext | None) -> None:
        self._line = line
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        if self._context is not None:
            kwargs["ssl_context"] = self._context
        super().init_poolmanager(*args, **kwargs)
        line = self._line

        def connection(*args: Any, **kwargs: Any) -> HTTPConnection:
            made = _Connection(*args, **kwargs)
            made.line = line
            line.keep(made)
            return made

        def tls_connection(*args: Any, **kwargs: Any) -> HTTPSConnection:
            made = _TlsConnection(*args, **kwargs)
            made.line = line
            line.keep(made)
            return made

        def pool(*args: Any, **kwargs: Any) -> HTTPConnectionPool:
            made = HTTPConnectionPool(*args, **kwargs)
            made.ConnectionCls = connection  # type: ignore[assignment]
            return made

        def tls_pool(*args: Any, **kwargs: Any) -> HTTPSConnectionPool:
            made = HTTPSConnectionPool(*args, **kwargs)
            made.ConnectionCls = tls_connection  # type: ignore[assignment]
            return made

        classes: Any = {"http": pool, "https": tls_pool}
        self.poolmanager.pool_classes_by_scheme = classes

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave it to the context, which would be made to trust more than it is told to."""


class _Session(requests.Session):
    """Sends what it is given to where it is told, and nowhere else."""

    def __init__(self, access: Access, line: Line, context: ssl.SSLContext | None) -> None:
        super().__init__()
        self._access = access
        self.trust_env = False  # neither proxies nor .netrc nor other certificates
        self.headers.clear()
        self.headers.update({"User-Agent": "medimgr", "Accept-Encoding": "identity"})
        self.mount("http://", _Adapter(line, None))
        self.mount("https://", _Adapter(line, context))
        self.auth = HTTPNegotiateAuth(
            access.username or None,
            access.password or None,
            auth_provider=str(access.auth),
            wrap_required=not access.tls,
        )

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send one request. Raises ProtocolFailure where the answer points elsewhere."""
        response = super().send(request, **kwargs | {"allow_redirects": False})
        if response.is_redirect:
            raise ProtocolFailure(
                f"{self._access.name} points elsewhere (HTTP {response.status_code}), which WinRM never "
                f"does. Another server listens on port {self._access.port}. Check the port."
            )
        return response


class Connection:
    """A WSMan connection that can be given up and made anew. For one thread."""

    def __init__(self, access: Access, patience: Patience) -> None:
        """Take how it is reached; connects to nothing yet. Raises TlsFailure for certificates unread."""
        self._access = access
        self.line = Line(access, patience)
        context = None
        if access.tls:
            try:
                context = PatientContext.trusting(access.ca_certificates, patience)
            except (ssl.SSLError, ValueError) as error:
                raise TlsFailure(
                    f"The CA certificates of {access.name} can't be read: they are no PEM. Enter them again."
                ) from error
        self.wsman = WSMan(
            access.host,
            port=access.port,
            ssl=access.tls,
            auth=str(access.auth),
            encryption="auto" if access.tls else "always",
            operation_timeout=OPERATION_SECONDS,
        )
        self._session = _Session(access, self.line, context)
        self.wsman.transport.session = self._session

    def prepare(self) -> None:
        """Log in anew at the next request where the connection was closed meanwhile, as idle ones are."""
        if self._access.tls:
            return  # whatever is sent over a new connection is answered by asking for a login
        line = self.line.socket
        if line is not None and (line.fileno() < 0 or _readable(line)):
            self.give_up()
        self.line.sealed = self.wsman.transport.encryption is not None

    def give_up(self) -> None:
        """Hang up, in whatever state the connection is. The next request connects and logs in anew."""
        self._session.close()
        self.line.hang_up()
        self.wsman.transport.encryption = None

    close = give_up


def _readable(line: PatientSocket) -> bool:
    """Return whether something came unasked: the other end has hung up."""
    poller = select.poll()
    poller.register(line, select.POLLIN)
    return bool(poller.poll(0))
