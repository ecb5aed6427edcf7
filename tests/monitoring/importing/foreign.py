"""What tests of the foreign formats share: samples, and what an importer makes of a text."""

from pathlib import Path
from typing import Any

from monitoring.importers import formats
from monitoring.importers.document import Document, defaults
from monitoring.importers.formats import Format
from monitoring.importers.sources import Options, Source, read_file

SAMPLES = Path(__file__).parent / "samples"


def sample(*names: str, wanted: Format | None = None, env: str = "", **variables: str) -> Document:
    """Read files in the manner of public projects."""
    return formats.read([read_file(SAMPLES / name) for name in names], wanted, Options(variables, env))


def text(
    content: str, wanted: Format, name: str = "file", directory: str = "/srv/app", **variables: str
) -> Document:
    return formats.read([Source(name, content, directory)], wanted, Options(variables))


def units(env: dict[str, str] | None = None, **contents: str) -> Document:
    """Read units by name: ``units(web="ExecStart=…")``; what names no section is of [Service]."""
    sources = []
    for name, content in contents.items():
        whole = content if content.lstrip().startswith("[") else f"[Service]\n{content}"
        full_name = name.replace("__", ".") if "__" in name else f"{name}.service"
        sources.append(Source(full_name, whole))
    return formats.read(sources, "systemd", Options(env or {}))


def fields(document: Document, key: str) -> dict[str, Any]:
    """Return what a service declares besides the defaults."""
    known = defaults()
    return {name: value for name, value in document.services[key].fields.items() if value != known[name]}


def listed(document: Document, *, mapped: bool | None = None) -> list[tuple[int, str]]:
    """Return line and key of each remark."""
    return [
        (remark.place.line, remark.place.key)
        for remark in document.remarks
        if mapped is None or remark.mapped is mapped
    ]


def said(document: Document, key: str) -> str:
    """Return what is remarked at ``key``."""
    found = [remark.message for remark in document.remarks if remark.place.key == key]
    assert found, [remark.place.key for remark in document.remarks]
    return " ".join(found)


def faults(document: Document) -> list[tuple[int, str, str]]:
    return [(fault.line, fault.key, fault.message) for fault in document.faults]
