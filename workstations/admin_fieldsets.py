"""How the admin groups what is declared of a workstation and what is known of it."""

from typing import Any


def fieldsets(*, known: bool, may_change: bool) -> list[tuple[str | None, dict[str, Any]]]:
    """Return the groups; ``known``: it exists, so that there is something to tell of it. Pure."""
    password = ("password", "remove_password") if may_change and known else ("password",)
    groups: list[tuple[str | None, dict[str, Any]]] = [
        (None, {"fields": ("name", ("host", "port"), "tags", "polled")}),
        (
            "Logging in",
            {
                "fields": (
                    ("auth", "username"),
                    *(("stored_password",) if known else ()),
                    *(password if may_change else ()),
                    ("tls",),
                    "ca_certificates",
                ),
                "description": "By WinRM, with encrypted messages; never Basic.",
            },
        ),
        (
            "LDPlayer",
            {
                "fields": (
                    "ldconsole_path",
                    "code_page",
                    ("launch", "desktop_user"),
                    ("boot_seconds", "concurrency"),
                )
            },
        ),
    ]
    if known:
        now = {"fields": (("status", "status_since"), "last_error", ("seen_at", "read_at"), "emulators")}
        groups.insert(1, ("Now", now))
        groups.append(("What the last host check found", {"fields": ("findings",)}))
        groups.append(("What it said of itself", {"fields": ("said",), "classes": ("collapse",)}))
    return groups
