"""Writes services in the format that ``toml`` imports: importing an export changes nothing."""

from collections.abc import Iterable, Mapping
from typing import Any

from medimgr.lib.redact import looks_secret
from medimgr.lib.toml_text import dotted, written
from monitoring.importers.document import DEPENDS_ON, FIELDS, TABLE
from monitoring.importers.toml_types import ENV_KEPT, general
from monitoring.models import Service, ServiceQuerySet

LONGEST_LINE = 110


def export_services(services: ServiceQuerySet, *, without_secrets: bool = False) -> str:
    """Return the declarations as TOML; medimgr's own processes are left out. Two queries.

    Only what differs from the defaults is written. Values of the environment are written as they are,
    secrets too, since the file is to restore what was declared. ``without_secrets`` leaves the values
    out of variables that look like secrets and names them in ``env_kept``: an import into the same
    database keeps them, an import elsewhere says that they are missing.
    """
    declared = (
        services.filter(builtin=False, instance_of=None)
        .select_related(None)
        .prefetch_related("dependencies__needs")
    )
    tables = [_table(service, without_secrets) for service in declared]
    heading = "# Services as manage.py services export wrote them; manage.py services import reads them.\n"
    return "\n".join([heading, *tables])


def secret_variables(services: ServiceQuerySet) -> list[str]:
    """Return ``key: NAME`` for each variable that looks like a secret. One query."""
    return [
        f"{service.key}: {name}"
        for service in services.filter(builtin=False, instance_of=None)
        for name, value in service.env.items()
        if looks_secret(name, value)
    ]


def _table(service: Service, without_secrets: bool) -> str:
    path = (TABLE, service.key)
    lines = [f"[{dotted(path)}]"]
    subtables: list[str] = []
    for name, value in _values(service, without_secrets):
        line = f"{name} = {written(value)}"
        if isinstance(value, dict) and len(line) > LONGEST_LINE:
            subtables.append(_subtable((*path, name), value))
        elif isinstance(value, list) and len(line) > LONGEST_LINE:
            lines += [f"{name} = [", *(f"    {written(item)}," for item in value), "]"]
        else:
            lines.append(line)
    return "\n".join([*lines, *subtables]) + "\n"


def _values(service: Service, without_secrets: bool) -> Iterable[tuple[str, Any]]:
    for name, field in FIELDS.items():
        value = getattr(service, name)
        if name == "env":
            kept = sorted(n for n, v in value.items() if without_secrets and looks_secret(n, v))
            value = {n: v for n, v in sorted(value.items()) if n not in kept}
            if kept:
                yield ENV_KEPT, kept
        # A null has no form in TOML; for a field that may be null it is the default.
        if value is None or (name not in {"name", "command"} and value == field.get_default()):
            continue
        yield name, general(name, value)
    needs = {d.needs.key: d.condition for d in service.dependencies.all()}
    if needs:
        yield DEPENDS_ON, dict(sorted(needs.items()))


def _subtable(path: tuple[str, ...], table: Mapping[str, Any]) -> str:
    return "\n".join([f"[{dotted(path)}]", *(f"{dotted((n,))} = {written(v)}" for n, v in table.items())])
