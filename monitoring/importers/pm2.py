"""Reads an ecosystem file of PM2, as JSON. What has no counterpart is listed, line by line."""

import json
from collections.abc import Iterable
from typing import Any

from monitoring.importers.document import Document, Place
from monitoring.importers.drafts import Drafts
from monitoring.importers.faults import Fault, ImportProblem
from monitoring.importers.json_places import BadJson, Parsed, Path, parse
from monitoring.importers.pm2_app import App
from monitoring.importers.pm2_notes import TOP_LEVEL
from monitoring.importers.sources import Options, Source

_AS_JSON = (
    "Turn it into JSON first, where Node is, and import that: "
    "node -p \"JSON.stringify(require('./{name}'))\" > ecosystem.json"
)


def read(source: Source, options: Options) -> Document:
    """Read an ecosystem file. Raises ImportProblem where it is no JSON."""
    name = source.base_name
    if name.lower().endswith((".js", ".cjs", ".mjs")) or "module.exports" in source.text:
        shown = name if name.lower().endswith((".js", ".cjs", ".mjs")) else "ecosystem.config.js"
        raise _refusal(source, 0, "It is a program, which is not run here. " + _AS_JSON.format(name=shown))
    if name.lower().endswith((".yml", ".yaml")):
        raise _refusal(source, 0, "YAML is not read. Write the same as JSON, or as TOML.")
    try:
        parsed = parse(source.text)
    except BadJson as bad:
        raise _refusal(source, bad.line, f"This is no valid JSON: {bad}") from None
    drafts = Drafts(source.name)
    apps = list(_apps(parsed, source, drafts.document))
    for path, app in apps:
        if isinstance(app, dict):
            App(app, path, parsed, source, options, drafts).read()
        else:
            drafts.document.fault_at(
                _place(source, parsed, path), 'An app has to be an object: { "script": … }.'
            )
    wanted = f"env_{options.env}"
    if options.env and not any(isinstance(app, dict) and wanted in app for _, app in apps):
        drafts.document.fault_at(
            Place(source.name, 0, ""), f"No app has {wanted}. Correct --env or leave it out."
        )
    return drafts.finish()


def _apps(parsed: Parsed, source: Source, document: Document) -> Iterable[tuple[Path, Any]]:
    """Give each app with its path; PM2 takes a list, an object with apps, and a single app."""
    value = parsed.value
    if isinstance(value, dict) and "apps" in value:
        for name in value:
            if name != "apps":
                note = TOP_LEVEL.get(name, "PM2 knows no such setting; it is not taken over.")
                document.remark(Place(source.name, parsed.line(name), name), note)
        inner = value["apps"]
        apps = inner if isinstance(inner, list) else [inner]
        for number, app in enumerate(apps):
            yield ("apps", number) if isinstance(inner, list) else ("apps",), app
    elif isinstance(value, list):
        yield from (((number,), app) for number, app in enumerate(value))
    elif isinstance(value, dict) and ("script" in value or "exec" in value):
        yield (), value
    else:
        message = 'No app is declared here. Write { "apps": [{ "name": "web", "script": "server.js" }] }.'
        document.fault_at(Place(source.name, 1, ""), message)


def _place(source: Source, parsed: Parsed, path: Path) -> Place:
    return Place(source.name, parsed.line(*path), json.dumps(list(path)) if path else "")


def _refusal(source: Source, line: int, message: str) -> ImportProblem:
    return ImportProblem(source.name, [Fault(source.name, line, "", message)])
