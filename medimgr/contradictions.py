"""Settings that are each well-formed and do not go together, or let in more than was meant. Pure.

Every rule takes the settings, as attributes of whatever object, and yields what is wrong with its id and what
to do. They are looked at while the settings are read (medimgr/settings.py), so that one message tells them
together with variables that make no sense at all, and as system checks (medimgr/checks.py).
"""

import ipaddress
from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, Warning

CLIENT_GIVES_UP_AFTER = 45.0
"""Seconds without a byte after which a page takes its stream for dead."""
LEAST_SECRET_KEY = 50
"""Characters, as Django's own check has it."""
_LEAST_LETTERS = 5


def is_loopback(host: str) -> bool:
    """Return whether an entry of ALLOWED_HOSTS can be reached from this machine alone."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def strangers(chosen: Any) -> list[str]:
    """Return the names by which medimgr can be reached from other machines."""
    # The test runner answers to a name of its own.
    return [host for host in chosen.ALLOWED_HOSTS if not is_loopback(host) and host != "testserver"]


def debug_stays_at_home(chosen: Any) -> Iterator[CheckMessage]:
    """E001: with DEBUG, an error page shows settings and source to whoever causes one."""
    names = strangers(chosen)
    if chosen.DEBUG and names:
        yield Error(
            f"DJANGO_DEBUG is true, and medimgr answers to {', '.join(names)}.",
            hint="Set DJANGO_DEBUG=false, or let DJANGO_ALLOWED_HOSTS name 127.0.0.1 and localhost alone.",
            id="medimgr.E001",
        )


def heartbeat_outpaces_the_watchdog(chosen: Any) -> Iterator[CheckMessage]:
    """E004: a heartbeat that comes too late makes every page reconnect over and over."""
    if chosen.MEDIMGR_STREAM_HEARTBEAT_SECONDS >= CLIENT_GIVES_UP_AFTER:
        yield Error(
            f"MEDIMGR_STREAM_HEARTBEAT_SECONDS is {chosen.MEDIMGR_STREAM_HEARTBEAT_SECONDS:g}, but a page "
            f"takes its stream for dead after {CLIENT_GIVES_UP_AFTER:g} s of silence.",
            hint="Set it to 30 or less.",
            id="medimgr.E004",
        )


def redirect_needs_a_proxy(chosen: Any) -> Iterator[CheckMessage]:
    """E005: medimgr speaks http, so without a proxy to believe it would send everybody on for ever."""
    if chosen.SECURE_SSL_REDIRECT and not chosen.MEDIMGR_TRUSTED_PROXIES:
        yield Error(
            "DJANGO_SSL_REDIRECT is true, but no proxy is there to say that somebody came by https: every "
            "request would be sent on to https for ever.",
            hint="Name the proxy's address in MEDIMGR_TRUSTED_PROXIES, and have it send X-Forwarded-Proto.",
            id="medimgr.E005",
        )


def not_everybody_is_a_proxy(chosen: Any) -> Iterator[CheckMessage]:
    """E006: whoever is believed as a proxy chooses his address, and so passes every limit per address."""
    for network in chosen.MEDIMGR_TRUSTED_PROXIES:
        if network.prefixlen == 0:
            yield Error(
                f"MEDIMGR_TRUSTED_PROXIES names {network}, which is everybody.",
                hint="Name the addresses of your reverse proxies, such as 10.0.0.7.",
                id="medimgr.E006",
            )


def keys_differ(chosen: Any) -> Iterator[CheckMessage]:
    """E007: a key that serves two purposes opens both when one of them leaks."""
    purposes = {
        "DJANGO_SECRET_KEY": [chosen.SECRET_KEY],
        "MEDIMGR_TOKEN_KEYS": list(chosen.MEDIMGR_TOKEN_KEYS),
        "MEDIMGR_ENCRYPTION_KEYS": list(chosen.MEDIMGR_ENCRYPTION_KEYS),
        "MEDIMGR_METRICS_TOKEN": [chosen.MEDIMGR_METRICS_TOKEN],
    }
    seen: dict[str, str] = {}
    for name, keys in purposes.items():
        for key in filter(None, keys):
            if seen.setdefault(key, name) != name:
                yield Error(
                    f"{seen[key]} and {name} have a key in common.",
                    hint=f"Make a new one for {name}.",
                    id="medimgr.E007",
                )


def secret_key_is_one(chosen: Any) -> Iterator[CheckMessage]:
    """E008: whoever guesses the key that signs sessions can log in as anybody."""
    key = chosen.SECRET_KEY
    is_weak = (
        len(key) < LEAST_SECRET_KEY or len(set(key)) < _LEAST_LETTERS or key.startswith("django-insecure-")
    )
    if key and is_weak and strangers(chosen):
        yield Error(
            f"DJANGO_SECRET_KEY is weak, and medimgr answers to {', '.join(strangers(chosen))}.",
            hint=f"Make one of {LEAST_SECRET_KEY} characters or more: "
            "python -c 'import secrets; print(secrets.token_urlsafe(50))'",
            id="medimgr.E008",
        )


def hosts_are_names(chosen: Any) -> Iterator[CheckMessage]:
    """E009: an address with scheme or path is no host name, and no request would ever fit it."""
    for host in chosen.ALLOWED_HOSTS:
        if "/" in host or "://" in host or " " in host:
            yield Error(
                f"DJANGO_ALLOWED_HOSTS names {host!r}, which is no host name.",
                hint="Write the name alone, such as medimgr.example.org: without scheme, port and path.",
                id="medimgr.E009",
            )


def origins_have_schemes(chosen: Any) -> Iterator[CheckMessage]:
    """E010: an origin without a scheme allows nobody to POST."""
    for origin in chosen.CSRF_TRUSTED_ORIGINS:
        scheme, separator, rest = origin.partition("://")
        if not separator or scheme not in {"http", "https"} or not rest or "/" in rest:
            yield Error(
                f"DJANGO_CSRF_TRUSTED_ORIGINS names {origin!r}, which is no origin.",
                hint="Write scheme and host, such as https://medimgr.example.org, without a path.",
                id="medimgr.E010",
            )


def hosts_are_named(chosen: Any) -> Iterator[CheckMessage]:
    """W001: answering to any name lets somebody else's name point here."""
    if "*" in chosen.ALLOWED_HOSTS:
        yield Warning(
            "medimgr answers to any host name (DJANGO_ALLOWED_HOSTS contains *).",
            hint="Name the hosts that people open, separated by commas.",
            id="medimgr.W001",
        )


def cookies_fit_the_origins(chosen: Any) -> Iterator[CheckMessage]:
    """W002: people come in by https, yet the session cookie would travel without it as well."""
    secure = [origin for origin in chosen.CSRF_TRUSTED_ORIGINS if origin.startswith("https://")]
    if secure and not chosen.SESSION_COOKIE_SECURE:
        yield Warning(
            f"People come in by https ({', '.join(secure)}), but cookies may also travel without it.",
            hint="Set DJANGO_SECURE_COOKIES=true.",
            id="medimgr.W002",
        )


def stream_limits_fit(chosen: Any) -> Iterator[CheckMessage]:
    """W003: a limit per address above the limit in all never applies."""
    per_address, in_all = chosen.MEDIMGR_STREAM_MAX_PER_ADDRESS, chosen.MEDIMGR_STREAM_MAX_CONNECTIONS
    if per_address > in_all:
        yield Warning(
            f"One address may open {per_address} streams, but all together only {in_all}.",
            hint="Lower MEDIMGR_STREAM_MAX_PER_ADDRESS or raise MEDIMGR_STREAM_MAX_CONNECTIONS.",
            id="medimgr.W003",
        )


def login_limits_fit(chosen: Any) -> Iterator[CheckMessage]:
    """W004: a limit per name above that per address has one person who errs shut out everybody beside him."""
    per_name, per_address = chosen.MEDIMGR_LOGIN_MAX_FAILURES, chosen.MEDIMGR_LOGIN_MAX_FAILURES_PER_ADDRESS
    if per_name > per_address:
        yield Warning(
            f"One name may fail {per_name} times, but all names of an address together only {per_address}.",
            hint="Lower MEDIMGR_LOGIN_MAX_FAILURES or raise MEDIMGR_LOGIN_MAX_FAILURES_PER_ADDRESS.",
            id="medimgr.W004",
        )


def https_is_kept(chosen: Any) -> Iterator[CheckMessage]:
    """W005: browsers are told to come by https alone, yet cookies may travel without it."""
    if chosen.SECURE_HSTS_SECONDS and not chosen.SESSION_COOKIE_SECURE:
        yield Warning(
            "DJANGO_HSTS_SECONDS is set, but cookies may travel without https.",
            hint="Set DJANGO_SECURE_COOKIES=true.",
            id="medimgr.W005",
        )


RULES = (
    debug_stays_at_home,
    heartbeat_outpaces_the_watchdog,
    redirect_needs_a_proxy,
    not_everybody_is_a_proxy,
    keys_differ,
    secret_key_is_one,
    hosts_are_names,
    origins_have_schemes,
    hosts_are_named,
    cookies_fit_the_origins,
    stream_limits_fit,
    login_limits_fit,
    https_is_kept,
)


def found_in(chosen: Any) -> list[CheckMessage]:
    """Return all that is wrong."""
    return [message for rule in RULES for message in rule(chosen)]
