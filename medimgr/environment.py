"""Reads settings from the environment and ``.env``, and reports every bad one at once.

django-environ reads and converts; this file adds what it lacks: collecting all failures, secrets
from files (``NAME_FILE``), and one message that names each variable, what is wrong and what to do.
"""

import base64
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import environ
from django.core.exceptions import ImproperlyConfigured

from medimgr.contradictions import found_in
from medimgr.lib.client_address import Network, networks

T = TypeVar("T")
LEAST_SIGNING_KEY = 32
"""Characters; HMAC with SHA-256 wants a key of at least its own 32 bytes (RFC 7518, section 3.2)."""


class Environment:
    """Typed readers over the environment. Call :meth:`seal` once all variables are read."""

    def __init__(self, dotenv: Path) -> None:
        """Read ``dotenv`` where it exists; the real environment wins over the file."""
        self._env = environ.Env()
        if dotenv.is_file():
            self._env.read_env(dotenv)
        self._faults: list[str] = []

    def _fault(self, number: str, text: str) -> None:
        self._faults.append(f"medimgr.{number}: {text}")

    def text(self, name: str, default: str = "") -> str:
        """Return the variable as text."""
        return str(self._env.str(name, default=default))

    def flag(self, name: str, default: bool) -> bool:
        """Return a boolean; only on/off, true/false, yes/no and 1/0 are understood."""
        words = {"1": True, "true": True, "yes": True, "on": True}
        words |= {"0": False, "false": False, "no": False, "off": False}
        raw = self.text(name, "")
        if raw == "":
            return default
        if raw.lower() not in words:
            self._fault("E101", f"{name}={raw!r} is neither true nor false. Write true or false.")
        return words.get(raw.lower(), default)

    def number(self, name: str, default: int, *, least: int = 0) -> int:
        """Return a whole number that is at least ``least``."""
        raw = self.text(name, "")
        if raw == "":
            return default
        try:
            value = int(raw)
        except ValueError:
            self._fault("E102", f"{name}={raw!r} is not a whole number.")
            return default
        if value < least:
            self._fault("E102", f"{name}={value} is too small. Write {least} or more.")
        return value

    def seconds(self, name: str, default: float, *, least: float = 0.0) -> float:
        """Return a duration in seconds that is at least ``least``."""
        raw = self.text(name, "")
        if raw == "":
            return default
        try:
            value = float(raw)
        except ValueError:
            value = float("nan")
        if not least <= value < float("inf"):
            self._fault("E103", f"{name}={raw!r} is not a number of seconds from {least:g} up.")
            return default
        return value

    def choice(self, name: str, default: str, among: tuple[str, ...]) -> str:
        """Return one of some words, which do not tell upper from lower case."""
        raw = self.text(name, "").strip()
        known = {word.casefold(): word for word in among}
        if raw and raw.casefold() not in known:
            self._fault("E104", f"{name}={raw!r} is none of {', '.join(among)}. Write one of them.")
        return known.get(raw.casefold(), default)

    def names(self, name: str, default: list[str]) -> list[str]:
        """Return a comma-separated list without empty parts."""
        raw = self.text(name, "")
        return [part.strip() for part in raw.split(",") if part.strip()] if raw else default

    def networks(self, name: str) -> tuple[Network, ...]:
        """Return a comma-separated list of addresses and networks."""
        found: list[Network] = []
        for part in self.names(name, []):
            try:
                found += networks([part])
            except ValueError:
                self._fault(
                    "E105", f"{name}: {part!r} is no address and no network. Write 10.0.0.7 or 10.0.0.0/24."
                )
        return tuple(found)

    def secret(self, name: str, *, remedy: str) -> str:
        """Return a secret from ``name`` or from the file named by ``name_FILE``. There is no default."""
        value = self._secret_text(name)
        if value == "":
            self._fault("E106", f"{name} is not set. {remedy}")
        return value or ""

    def optional_secret(self, name: str, *, least: int) -> str:
        """Return a token of at least so many characters, from ``name`` or ``name_FILE``; empty for none."""
        value = self._secret_text(name)
        if value is None or not (value or self.text(f"{name}_FILE")):
            return ""
        if len(value) < least:
            self._fault("E107", f"{name} is too short to be a secret. Write {least} characters or more.")
        if not value.isascii() or not value.isprintable() or " " in value:
            self._fault("E107", f"{name} has characters that no header carries. Write letters and digits.")
        return value

    def keys(self, name: str) -> tuple[str, ...]:
        """Return the encryption keys in ``name`` or in the file ``name_FILE``: the first encrypts."""
        found = tuple((self._secret_text(name) or "").replace(",", " ").split())
        for number, key in enumerate(found, 1):
            if not _is_fernet_key(key):
                self._fault(
                    "E108",
                    f"{name}: key {number} of {len(found)} is none. Make one with: "
                    "python manage.py workstations new-key",
                )
                return ()
        return found

    def signing_keys(self, name: str) -> tuple[str, ...]:
        """Return the keys in ``name`` or in the file ``name_FILE``: the first signs, all are believed."""
        found = tuple((self._secret_text(name) or "").replace(",", " ").split())
        for number, key in enumerate(found, 1):
            if len(key) < LEAST_SIGNING_KEY:
                self._fault(
                    "E109",
                    f"{name}: key {number} of {len(found)} is too short. Write {LEAST_SIGNING_KEY} letters "
                    "or more; make one with: python -c 'import secrets; print(secrets.token_urlsafe(48))'",
                )
                return ()
        return found

    def _secret_text(self, name: str) -> str | None:
        """Return the secret, None where its file cannot be read, which is a fault."""
        path = self.text(f"{name}_FILE")
        if path:
            try:
                value = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
                self._fault("E110", f"{name}_FILE={path}: cannot be read ({reason}).")
                return None
        else:
            value = self.text(name)
        return value

    def database(self, name: str, default: str) -> dict[str, Any]:
        """Return Django's settings for the database at the URL in ``name`` or in the file ``name_FILE``."""
        value = self._secret_text(name)
        if value == "" and self.text(f"{name}_FILE"):
            self._fault("E111", f"{name}_FILE names an empty file. Write the URL of the database into it.")
        raw = value or default
        scheme = raw.partition(":")[0]
        if scheme not in {"sqlite", "postgres", "postgresql"}:
            # What is no URL at all may be the password alone.
            fault = f"starts with {scheme!r}" if "://" in raw else "is no URL"
            self._fault("E111", f"{name} {fault}. Use sqlite:///path/to/file or postgresql://user@host/name.")
            raw = default
        return self._checked(name, lambda: dict(self._env.db_url_config(raw)), {})

    def _checked(self, name: str, read: Callable[[], T], fallback: T) -> T:
        try:
            return read()
        except Exception as error:  # whatever the parser raises is a fault of the variable
            self._fault("E111", f"{name} cannot be read: {type(error).__name__}.")
            return fallback

    def time_zone(self, name: str, default: str) -> str:
        """Return the name of a time zone that this system or the package tzdata knows."""
        raw = self.text(name, "")
        if raw in {"", default}:
            return default
        try:
            ZoneInfo(raw)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self._fault("E112", f"{name}={raw!r} is no time zone. Write one such as Europe/Zurich, or UTC.")
            return default
        return raw

    def word(self, name: str, default: str, *, longest: int) -> str:
        """Return a name of so many characters at most, on one line."""
        value = self.text(name, "").strip() or default
        if len(value) > longest or not value.isprintable():
            self._fault("E113", f"{name} is no name. Write {longest} printable characters at most.")
            return default
        return value

    def directory(self, name: str, default: Path) -> Path:
        """Return a directory, which is made for its owner alone where it is missing."""
        path = Path(self.text(name) or default).resolve()
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no path"
            self._fault("E114", f"{name}={path}: the directory cannot be made ({reason}). Name another one.")
            return default
        if not os.access(path, os.W_OK | os.X_OK):
            self._fault("E114", f"{name}={path}: this account may not write there. Give it the directory.")
        return path

    def seal(self, chosen: Mapping[str, Any]) -> None:
        """Raise ImproperlyConfigured naming every bad variable, and what in ``chosen`` does not fit."""
        for found in found_in(SimpleNamespace(**chosen)) if chosen else ():
            if found.is_serious():
                self._faults.append(f"{found.id}: {found.msg} {found.hint}")
        if self._faults:
            lines = "\n".join(f"  - {fault}" for fault in self._faults)
            raise ImproperlyConfigured(
                f"{len(self._faults)} setting(s) in the environment or .env are wrong:\n{lines}"
            )


def _is_fernet_key(text: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(text)) == 32
    except ValueError:
        return False


def default_node_name() -> str:
    """Return this machine's host name, shortened to its first label."""
    return os.uname().nodename.split(".")[0] or "localhost"
