"""The real clients against a simulated machine, for tests of the machine itself: nothing of medimgr's."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import requests
from pypsrp.exceptions import WinRMError
from pypsrp.shell import Process, WinRS
from pypsrp.wsman import WSMan

from tests.workstations.peer import Machine


@contextmanager
def wsman(
    machine: Machine,
    *,
    auth: str = "ntlm",
    password: str = "",
    verify: bool | str = True,
    read_timeout: int = 30,
) -> Iterator[WSMan]:
    """Yield pypsrp's connection to a machine, closed at the end."""
    connection = WSMan(
        machine.host,
        port=machine.port,
        username=machine.username,
        password=password or machine.password,
        ssl=machine.tls is not None,
        auth=auth,
        encryption="auto" if machine.tls else "always",
        cert_validation=verify,  # type: ignore[arg-type]  # a path, too, whatever it declares
        no_proxy=True,
        read_timeout=read_timeout,
    )
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def shell(
    machine: Machine,
    *,
    auth: str = "ntlm",
    password: str = "",
    verify: bool | str = True,
    read_timeout: int = 30,
) -> Iterator[WinRS]:
    """Yield a shell on a machine, closed at the end if that is still possible on this connection.

    After a lost connection it is not: pypsrp logs in anew, and sends what it had sealed for the old login.
    """
    with wsman(machine, auth=auth, password=password, verify=verify, read_timeout=read_timeout) as connection:
        opened = WinRS(connection)
        opened.open()
        try:
            yield opened
        finally:
            with suppress(WinRMError, requests.RequestException):
                opened.close()


def run(opened: WinRS, program: str, *arguments: str) -> Process:
    """Run a program to its end."""
    process = begin(opened, program, *arguments)
    process.end_invoke()
    return process


def begin(opened: WinRS, program: str, *arguments: str) -> Process:
    """Begin a program."""
    process = Process(opened, program, list(arguments), no_shell=True)
    process.begin_invoke()
    return process
