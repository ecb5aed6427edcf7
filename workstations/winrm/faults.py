"""What goes wrong on the way to a workstation, and in its WinRM, in our own exceptions and in words."""

import contextlib
import ssl
from collections.abc import Iterator
from http.client import HTTPException
from xml.etree.ElementTree import ParseError

import requests
from pypsrp.exceptions import AuthenticationError, WinRMError, WinRMTransportError, WSManFaultError
from spnego.exceptions import SpnegoError
from urllib3.exceptions import HTTPError

from workstations.access import Access
from workstations.exceptions import (
    AuthenticationFailure,
    ConnectionLost,
    ProtocolFailure,
    QuotaExceeded,
    RemoteExit,
    RemoteFailure,
    ShellGone,
    TlsFailure,
)
from workstations.states import Auth

NO_NEWS = 2150858793
"""The answer to Receive where nothing was printed for a while: no fault at all."""
_SHELL_GONE = frozenset({2150858843, 2150858749, 995, 2147943395})
_QUOTA = frozenset({2150859173, 2150859174, 2150859175, 2150859176, 2150859179})
_DENIED = frozenset({5, 2147942405, 2150858882})
_NO_FILE = frozenset({2, 3, 2147942402, 2147942403})
_ELEVATION = frozenset({740, 2147943140})
_LONGEST_REASON = 300


@contextlib.contextmanager
def told(access: Access, doing: str) -> Iterator[None]:
    """Turn whatever pypsrp and what is below it raises in here into one of our exceptions.

    ``doing`` says in words what was under way, for ConnectionLost; empty: nothing that could be lost.
    """
    try:
        yield
    except (WSManFaultError, WinRMTransportError, AuthenticationError) as error:
        raise _answered(error, access) from error
    except (requests.RequestException, HTTPError, HTTPException, OSError) as error:
        raise _broken(error, access, doing) from error
    except (SpnegoError, ImportError) as error:
        raise _not_proven(error, access) from error
    except (WinRMError, ParseError, ValueError, LookupError, AttributeError, TypeError) as error:
        # pypsrp takes answers apart without looking first; what Python says of that tells people nothing.
        said = f" ({_short(error)})" if isinstance(error, WinRMError | ParseError) else ""
        raise ProtocolFailure(
            f"{access.name} answers on port {access.port}, but not as WinRM does{said}. Check the port, and "
            "that no other server listens there."
        ) from error


def _answered(error: WinRMError, access: Access) -> RemoteFailure:
    if isinstance(error, WSManFaultError):
        return _fault(error, access)
    if isinstance(error, WinRMTransportError):
        if error.code == 503:
            return ProtocolFailure(
                f"WinRM on {access.name} is not ready (HTTP 503): its service is starting, stopping or "
                "overloaded. Try again, or restart the service WinRM there."
            )
        return ProtocolFailure(
            f"{access.name} answers with HTTP {error.code} where WinRM should: another server listens on "
            f"port {access.port}, or WinRM is not set up. Check the port, and run 'winrm quickconfig' there."
        )
    if "did not response with one of" in str(error):
        return AuthenticationFailure(
            f"{access.name} offers neither NTLM nor Kerberos. Turn on Negotiate there: "
            "'winrm set winrm/config/service/auth @{Negotiate=\"true\"}'."
        )
    return AuthenticationFailure(
        f"{access.name} does not accept user {access.username!r} with the stored password. Check both, and "
        "that the account is neither locked nor disabled; a local administrator needs "
        "LocalAccountTokenFilterPolicy set to 1."
    )


def _fault(error: WSManFaultError, access: Access) -> RemoteFailure:
    reason = " ".join(str(error.reason or "").split())[:_LONGEST_REASON]
    if error.code in _SHELL_GONE:
        return ShellGone(
            f"The shell on {access.name} is gone: it was idle for too long, or WinRM was restarted there. "
            "What ran in it has ended. Try again."
        )
    if error.code in _QUOTA or ("concurrent" in reason and "exceeded" in reason):
        return QuotaExceeded(
            f"{access.name} allows user {access.username!r} no more at the moment: {reason} Wait a few "
            "minutes until idle shells expire, or raise MaxShellsPerUser and MaxConcurrentOperationsPerUser."
        )
    if error.code in _DENIED:
        return AuthenticationFailure(
            f"{access.name} knows user {access.username!r}, but denies access to WinRM. The user must be an "
            "administrator there; a local one needs LocalAccountTokenFilterPolicy set to 1."
        )
    if error.code in _NO_FILE:
        return RemoteExit(f"{access.name} does not find the program to run. Check its path.")
    if error.code in _ELEVATION:
        return RemoteExit(
            f"The program on {access.name} wants to be run elevated, and user {access.username!r} is not. "
            "Set LocalAccountTokenFilterPolicy to 1 there, or use an administrator of the domain."
        )
    return ProtocolFailure(f"WinRM on {access.name} refused (fault {error.code}): {reason or 'no reason'}.")


def _broken(error: Exception, access: Access, doing: str) -> RemoteFailure:
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, RemoteFailure):
            return cause
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return _no_tls(cause, access)
    if any("BadStatusLine" in type(cause).__name__ or "Header" in type(cause).__name__ for cause in causes):
        return ProtocolFailure(
            f"What listens on port {access.port} of {access.name} does not speak HTTP. Check the port."
        )
    if doing:
        return ConnectionLost(
            f"The connection to {access.name} broke while {doing}; what became of it is not known."
        )
    hint = "" if access.tls else " If it speaks TLS on this port, turn TLS on."
    return ConnectionLost(f"{access.name} broke the connection off before anything was begun.{hint}")


def _no_tls(error: ssl.SSLError, access: Access) -> TlsFailure:
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message.rstrip(".")
        return TlsFailure(
            f"The certificate of {access.name} is not accepted: {reason}. Enter who has signed it, or the "
            "certificate itself, as its CA certificates, and reach it by a name that the certificate has."
        )
    return TlsFailure(
        f"No TLS with {access.name} on port {access.port} ({error.reason or 'broken off'}). Check that its "
        "listener is HTTPS (5986 mostly), and what TLS versions it has."
    )


def _not_proven(error: Exception, access: Access) -> RemoteFailure:
    if access.auth is Auth.KERBEROS:
        return AuthenticationFailure(
            f"Kerberos with {access.name} does not work: {_short(error)}. It needs the Python packages "
            "gssapi and krb5, a configured realm on the machine of medimgr, and the host's full name."
        )
    return ProtocolFailure(f"{access.name} answers, but what it sends can't be verified: {_short(error)}.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield ``error`` and what is behind it, in causes and in arguments, as requests wraps it."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        found = waiting.pop(0)
        if isinstance(found, BaseException) and id(found) not in seen:
            seen.add(id(found))
            yield found
            waiting += [found.__cause__, found.__context__, getattr(found, "reason", None)]
            waiting += [part for part in found.args if isinstance(part, BaseException)]


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
