"""What a host check makes of what it has seen: one finding for each point, with its mend. Pure.

A finding is ``{name, label, ok, detail, fix}``; ``ok`` is None where it could not be found out, and ``fix``
is empty where there is nothing to mend.
"""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from workstations.exceptions import (
    AuthenticationFailure,
    ConnectionLost,
    PasswordMissing,
    ProtocolFailure,
    QuotaExceeded,
    Refused,
    RemoteFailure,
    TlsFailure,
    UnknownHost,
    Unreachable,
)
from workstations.models import Workstation
from workstations.powershell import HostFacts, Session
from workstations.states import Auth, Launch
from workstations.system_words import gigabytes

LEAST_FREE_BYTES = 10 * 2**30
"""A clone of an emulator takes some gigabytes."""
LEAST_PROCESSES = 10
LEAST_MEMORY_MB = 512
_BESIDE = 3
"""Shells that are open beside those of operations: polling, a change of the list, a check."""

LABELS: Mapping[str, str] = {
    "connection": "Connection",
    "authentication": "Authentication",
    "encryption": "Encryption",
    "powershell": "PowerShell",
    "quota": "Quota",
    "elevation": "Elevation",
    "ldconsole": "ldconsole",
    "list": "List of emulators",
    "code-page": "Code page",
    "desktop": "Desktop",
    "disk": "Free disk",
}
"""The points in the order in which they are looked at; each needs some of those before it."""


class Finding(TypedDict):
    """One point of a host check."""

    name: str
    label: str
    ok: bool | None
    detail: str
    fix: str


class Listing(TypedDict):
    """What came of reading the list of emulators."""

    emulators: int
    encoding: str
    damaged: bool


def findings(
    workstation: Workstation,
    facts: HostFacts | RemoteFailure,
    listing: Listing | RemoteFailure | None,
) -> list[Finding]:
    """Return every point in order. A failure stands for what could not be asked; None: it was not tried."""
    if isinstance(facts, RemoteFailure):
        found = _of_a_failure(workstation, facts)
    else:
        found = [
            good("connection", f"{workstation.host} answers on port {workstation.port}."),
            good("authentication", f"Logged in as {facts.user} by {Auth(workstation.auth).label}."),
            _encryption(workstation, facts),
            good("powershell", f"PowerShell {facts.powershell} answers."),
            _quota(workstation, facts),
            _elevation(workstation, facts),
            _ldconsole(workstation, facts),
            _desktop(workstation, facts.sessions),
            _disk(facts),
        ]
    found += _listing(workstation, facts, listing)
    known = {finding["name"]: finding for finding in found}
    return [known.get(name) or unknown(name, "A point before this one failed.") for name in LABELS]


def good(name: str, detail: str) -> Finding:
    """Return that a point is in order."""
    return {"name": name, "label": LABELS[name], "ok": True, "detail": detail, "fix": ""}


def bad(name: str, detail: str, fix: str) -> Finding:
    """Return that a point is not in order, and its mend."""
    return {"name": name, "label": LABELS[name], "ok": False, "detail": detail, "fix": fix}


def unknown(name: str, why: str, fix: str = "") -> Finding:
    """Return that nothing is known of a point."""
    return {"name": name, "label": LABELS[name], "ok": None, "detail": why, "fix": fix}


def in_a_sentence(found: Sequence[Finding]) -> str:
    """Return which points are not in order, and the first one's mend; empty where all are.

    What could not be found out is named where nothing else is wrong: mostly it follows from that.
    """
    wrong = [finding for finding in found if finding["ok"] is False]
    unseen = [finding for finding in found if finding["ok"] is None]
    if not wrong and not unseen:
        return ""
    word = "Not in order" if wrong else "Not known"
    first = (wrong or unseen)[0]
    return f"{word}: {_named(wrong or unseen)}. {first['label']}: {first['detail']} {first['fix']}".strip()


def _named(found: Sequence[Finding]) -> str:
    return ", ".join(finding["label"] for finding in found)


def _of_a_failure(workstation: Workstation, failure: RemoteFailure) -> list[Finding]:
    """Return what is known where the first question already failed: how far it came."""
    connected = good("connection", f"{workstation.host} answers on port {workstation.port}.")
    authenticated = good("authentication", f"{workstation.username} may log in.")
    encrypted = good("encryption", "What is sent is encrypted.")
    if isinstance(failure, Unreachable | Refused | UnknownHost | ProtocolFailure | ConnectionLost):
        return [bad("connection", failure.detail, "See that WinRM runs there, and its port and firewall.")]
    if isinstance(failure, TlsFailure):
        return [
            connected,
            bad(
                "encryption",
                failure.detail,
                "Give medimgr the certificate of who signed the workstation's, or switch TLS off here.",
            ),
        ]
    if isinstance(failure, AuthenticationFailure):
        return [
            # Without a password nobody has tried.
            *([] if isinstance(failure, PasswordMissing) else [connected]),
            bad(
                "authentication",
                failure.detail,
                "Enter the user name and password of an administrator of that machine; the set-up script "
                "lets a local one in.",
            ),
        ]
    if isinstance(failure, QuotaExceeded):
        return [connected, authenticated, encrypted, bad("quota", failure.detail, _QUOTA_FIX)]
    return [
        connected,
        bad("powershell", failure.detail, "Look at what it says, and check again."),
    ]


_QUOTA_FIX = (
    "Run the set-up script with -Quotas, or set WSMan:\\localhost\\Shell\\MaxShellsPerUser to 30 and restart "
    "WinRM there: that also closes shells that were left open."
)


def _encryption(workstation: Workstation, facts: HostFacts) -> Finding:
    how = "by TLS" if workstation.tls else f"message by message ({Auth(workstation.auth).label})"
    if facts.service is None:
        return good("encryption", f"What medimgr sends is encrypted {how}.")
    open_doors = [
        word
        for word, is_open in (
            ("unencrypted messages", facts.service.AllowUnencrypted),
            ("Basic authentication", facts.service.Basic and not workstation.tls),
        )
        if is_open
    ]
    if open_doors:
        return bad(
            "encryption",
            f"medimgr sends nothing in clear, but WinRM there takes {' and '.join(open_doors)} from others.",
            "Run there: Set-Item WSMan:\\localhost\\Service\\AllowUnencrypted $false; "
            "Set-Item WSMan:\\localhost\\Service\\Auth\\Basic $false",
        )
    return good("encryption", f"What is sent is encrypted {how}, and WinRM there takes nothing else.")


def _quota(workstation: Workstation, facts: HostFacts) -> Finding:
    quotas = facts.quotas
    if quotas is None:
        return unknown("quota", "Its WinRM settings can't be read.", "The user has to be an administrator.")
    wanted = workstation.concurrency + _BESIDE
    short = [
        f"{name} is {has}, and {least} are needed"
        for name, has, least in (
            ("MaxShellsPerUser", quotas.MaxShellsPerUser, wanted),
            ("MaxProcessesPerShell", quotas.MaxProcessesPerShell, LEAST_PROCESSES),
            ("MaxMemoryPerShellMB", quotas.MaxMemoryPerShellMB, LEAST_MEMORY_MB),
        )
        if has < least
    ]
    if short:
        return bad("quota", f"{'; '.join(short)}.", _QUOTA_FIX)
    return good(
        "quota",
        f"{quotas.MaxShellsPerUser} shells, {quotas.MaxProcessesPerShell} processes and "
        f"{quotas.MaxMemoryPerShellMB} MB each.",
    )


def _elevation(workstation: Workstation, facts: HostFacts) -> Finding:
    if facts.elevated:
        return good("elevation", f"{facts.user} works as an administrator.")
    return bad(
        "elevation",
        f"{facts.user} has no administrator's rights there, and Windows does not start ldconsole without.",
        f"Make {workstation.username} an administrator of that machine; a local account also needs "
        "LocalAccountTokenFilterPolicy, which the set-up script sets.",
    )


def _ldconsole(workstation: Workstation, facts: HostFacts) -> Finding:
    if not facts.ldconsole.found:
        return bad(
            "ldconsole",
            f"There is no {workstation.ldconsole_path}.",
            "Install LDPlayer there, or enter the path that it was installed to.",
        )
    version = (facts.ldconsole.version or "").strip()
    return good("ldconsole", f"{workstation.ldconsole_path}, {version or 'which names no version'}.")


def _listing(
    workstation: Workstation, facts: HostFacts | RemoteFailure, listing: Listing | RemoteFailure | None
) -> list[Finding]:
    if listing is None:
        return []
    if isinstance(listing, RemoteFailure):
        return [bad("list", listing.detail, "Look at what it says, and run ldconsole list2 there by hand.")]
    pages = None if isinstance(facts, RemoteFailure) else facts.code_pages
    system = f" Its system's code pages are {pages.ansi} and {pages.oem}." if pages else ""
    emulators = good("list", f"ldconsole lists {listing['emulators']} emulators.")
    if listing["damaged"]:
        own = f" or {workstation.code_page}" if workstation.code_page else ""
        guess = f"cp{pages.ansi}" if pages and pages.ansi != 65001 else "the one that its titles are in"
        return [
            emulators,
            bad(
                "code-page",
                f"Titles can't be read as UTF-8 or GBK{own}.{system}",
                f"Set the code page of this workstation to {guess}.",
            ),
        ]
    return [emulators, good("code-page", f"Titles are read as {listing['encoding']}.{system}")]


def _desktop(workstation: Workstation, sessions: list[Session] | None) -> Finding:
    if workstation.launch == Launch.DIRECT:
        return good("desktop", "Emulators are started directly, without a desktop.")
    if sessions is None:
        return unknown("desktop", "Who is logged on can't be read.", "The user has to be an administrator.")
    wanted = workstation.desktop_user or workstation.username
    if not wanted:
        return bad("desktop", "No user is entered whose desktop it is.", "Enter one for this workstation.")
    theirs = [one for one in sessions if is_same_user(wanted, one.user)]
    if theirs:
        return good("desktop", f"{theirs[0].user} is logged on (session {theirs[0].session}).")
    others = ", ".join(sorted({one.user for one in sessions}))
    return bad(
        "desktop",
        f"{wanted} is not logged on; {others or 'nobody'} is.",
        f"Log on there as {wanted}, or let Windows do so by itself when it starts.",
    )


def is_same_user(wanted: str, logged_on: str) -> bool:
    """Return whether ``COMPUTER\\name`` is who ``wanted`` names: name, ``DOMAIN\\name`` or ``name@realm``."""
    domain, _, name = logged_on.lower().rpartition("\\")
    wanted = wanted.lower()
    if "@" in wanted:
        return wanted.partition("@")[0] == name
    wanted_domain, _, wanted_name = wanted.rpartition("\\")
    return wanted_name == name and wanted_domain in ("", ".", domain)


def _disk(facts: HostFacts) -> Finding:
    disk = facts.disk
    if disk is None:
        return unknown("disk", "The disk that ldconsole is on can't be read.", "See that its path is right.")
    free = f"{gigabytes(disk.free_bytes)} of {gigabytes(disk.total_bytes)} on {disk.name} are free."
    if disk.free_bytes < LEAST_FREE_BYTES:
        return bad(
            "disk", free, f"Make room for {gigabytes(LEAST_FREE_BYTES)}: a clone takes some gigabytes."
        )
    return good("disk", free)
