"""Reads systemd units: services with their drop-ins, and the timers beside them. The rest is listed."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import available_timezones

from monitoring.importers.document import Document, Place
from monitoring.importers.drafts import Draft, Drafts
from monitoring.importers.faults import ImportProblem
from monitoring.importers.sources import Options, Source
from monitoring.importers.systemd_calendar import NoCron, to_cron
from monitoring.importers.systemd_lines import Setting, Unit, read_lines
from monitoring.importers.systemd_notes import note
from monitoring.importers.systemd_service import MAPPED_NAMES, Service
from monitoring.importers.systemd_text import BadValue, resolve, specifiers

_OF_UNITS = {
    "socket": "No sockets are handed over to a service. Let the program listen itself.",
    "target": "Groups and dependencies take the place of targets.",
    "path": "Paths are not watched.",
}
_STARTS_FIRST = ("Requires", "Requisite", "Wants", "BindsTo", "BindTo", "Upholds")
_ORDER = ("After", "Before")
_BOOT = frozenset({"multi-user.target", "default.target", "graphical.target", "timers.target"})
_MOST_DROP_INS = 50


def read(sources: Sequence[Source], options: Options) -> Document:
    """Read units that belong together."""
    drafts = Drafts(sources[0].name if len(sources) == 1 else f"{sources[0].name} and others")
    document = drafts.document
    units: dict[str, tuple[Unit, Source]] = {}
    for source in _with_timers(sources):
        unit = _unit(source, document)
        if unit.name in units:
            document.fault_at(unit.place, "There is another unit of this name. Import them one by one.")
        units.setdefault(unit.name, (unit, source))
    drafted: dict[str, Draft] = {}
    for name, (unit, source) in units.items():
        kind = name.rpartition(".")[2]
        if kind == "service":
            draft = _service(unit, source, options, drafts)
            if draft is not None:
                drafted[name] = draft
        elif kind != "timer":
            drafts.refuse(unit.place, _OF_UNITS.get(kind, "Only .service and .timer units are taken over."))
    for name, (unit, _) in units.items():
        if name.endswith(".timer"):
            _timer(unit, drafted, units, drafts)
    for name, draft in drafted.items():
        _around(units[name][0], draft, drafted, document)
    return drafts.finish()


def _with_timers(sources: Sequence[Source]) -> list[Source]:
    """Return the sources, and the timer that lies beside the file of a service."""
    found = list(sources)
    names = {source.base_name for source in sources}
    for source in sources:
        timer = source.base_name.removesuffix(".service") + ".timer"
        if source.local and source.base_name.endswith(".service") and timer not in names:
            try:
                found.append(source.neighbour(Path(source.name).with_name(timer)))
            except (FileNotFoundError, ImportProblem):
                continue  # nobody asked for it by name
    return found


def _unit(source: Source, document: Document) -> Unit:
    name = source.base_name if "." in source.base_name else f"{source.base_name or 'pasted'}.service"
    if name.rpartition(".")[2] not in {"service", "timer", "socket", "target", "path", "mount", "automount",
                                       "swap", "slice", "scope", "device"}:  # fmt: skip
        name += ".service"
    unit = Unit(name, Place(source.name, 0, name), os.path.abspath(source.name) if source.local else "")
    if "\0" in source.text:
        line = source.text.count("\n", 0, source.text.index("\0")) + 1
        document.fault_at(Place(source.name, line, name), "It holds a NUL character.")
        return unit
    read_lines(source.name, source.text, unit, document)
    if source.local:
        _drop_ins(source, unit, document)
    return unit


def _drop_ins(source: Source, unit: Unit, document: Document) -> None:
    directory = Path(source.name + ".d")
    try:
        names = sorted(path for path in directory.iterdir() if path.suffix == ".conf")[:_MOST_DROP_INS]
    except OSError:
        return
    for path in names:
        try:
            read_lines(str(path), source.neighbour(path).text.replace("\0", ""), unit, document)
        except FileNotFoundError:
            continue
        except ImportProblem as problem:
            document.faults += problem.faults


def _service(unit: Unit, source: Source, options: Options, drafts: Drafts) -> Draft | None:
    if unit.name.endswith("@.service"):
        default = unit.last("Install", "DefaultInstance")
        if default is None:
            drafts.refuse(
                unit.place,
                f"It is a template. Copy it to a file of the instance's name, such as "
                f"{unit.name.replace('@.', '@NAME.')}, and import that.",
            )
            return None
        drafts.document.remark(default.place, f"It is imported as the instance {default.value}.", mapped=True)
        unit.name = unit.name.replace("@.", f"@{default.value}.")
    return Service(unit, source, options, drafts).read()


def _around(unit: Unit, draft: Draft, drafted: dict[str, Draft], document: Document) -> None:
    """Take over [Unit] and [Install], and list what of them has no counterpart."""
    for setting in unit.settings:
        name = setting.name
        if setting.section == "Service" or setting.name.startswith("X-") or setting.section.startswith("X-"):
            continue
        if setting.section == "Unit" and name in (*_STARTS_FIRST, *_ORDER):
            _needs(setting, draft, drafted, unit, document)
        elif setting.section == "Unit" and name == "Description":
            _describe(unit, setting, draft, document)
        elif setting.section == "Unit" and name.startswith("StartLimit") and name != "StartLimitAction":
            continue  # read with the restarts
        elif setting.section == "Install" and name == "WantedBy":
            if not set(setting.value.split()) <= _BOOT:
                message = "It is started with the supervisor; declare a dependency where another needs it."
                document.remark(setting.place, message, mapped=True)
        elif setting.section == "Install" and name == "DefaultInstance":
            continue
        elif setting.section in {"Unit", "Install"}:
            document.remark(setting.place, note(name, MAPPED_NAMES))
        else:
            document.remark(setting.place, f"A service has no section [{setting.section}].")


def _describe(unit: Unit, setting: Setting, draft: Draft, document: Document) -> None:
    try:
        told = resolve(setting.value, specifiers(unit.name, unit.path))
    except BadValue as wrong:
        document.remark(setting.place, str(wrong), mapped=True)
        told = setting.value
    draft.put("description", told[:300], setting.place)


def _needs(setting: Setting, draft: Draft, drafted: dict[str, Draft], unit: Unit, document: Document) -> None:
    absent = []
    for name in setting.value.split():
        other = drafted.get(name)
        if other is None:
            absent.append(name)
        elif other is draft:
            continue
        elif setting.name == "Before":
            other.needs[draft.key] = _condition(draft)
            other.places.setdefault("depends_on", setting.place)
        else:
            draft.needs[other.key] = _condition(other)
            draft.places.setdefault("depends_on", setting.place)
    strong = {name for s in unit.settings if s.name in _STARTS_FIRST for name in s.value.split()}
    if setting.name in _ORDER and set(setting.value.split()) - strong - set(absent):
        document.remark(
            setting.place,
            "Order alone becomes a dependency: the later waits for the earlier to be there.",
            mapped=True,
        )
    if absent:
        document.remark(
            setting.place,
            f"Not among the imported units: {', '.join(absent)}. Import a service along, or declare the "
            "dependency; nothing waits for the network or for mounts.",
        )


def _condition(needed: Draft) -> str:
    """Return what is waited for: the end of what runs once, else that it runs."""
    return "completed" if needed.runs_once else "started"


def _timer(
    unit: Unit, drafted: dict[str, Draft], units: dict[str, tuple[Unit, Source]], drafts: Drafts
) -> None:
    document = drafts.document
    named = unit.last("Timer", "Unit")
    target = named.value if named else unit.name.removesuffix(".timer") + ".service"
    draft = drafted.get(target)
    if draft is None:
        why = "was not taken over" if target in units else "is not among the files"
        drafts.refuse(unit.place, f"Its unit {target} {why}. Import both together.")
        return
    calendars = unit.values("Timer", "OnCalendar")
    for setting in unit.settings:
        if setting.section == "Timer" and setting.name == "OnCalendar":
            if setting not in calendars[:1]:
                document.remark(
                    setting.place, "One schedule is taken over. Write one cron expression for all."
                )
        elif setting.section == "Timer" and setting.name != "Unit":
            document.remark(setting.place, note(setting.name, MAPPED_NAMES))
        elif setting.section == "Unit" and setting.name == "Description":
            continue  # the service has its own
        elif setting.section in {"Unit", "Install"} and not (
            setting.name == "WantedBy" and set(setting.value.split()) <= _BOOT
        ):
            document.remark(
                setting.place,
                note(setting.name, ())
                if setting.name not in MAPPED_NAMES
                else "It is about the timer alone.",
            )
    if not calendars:
        return
    first = calendars[0]
    try:
        schedule = to_cron(first.value)
    except NoCron as why:
        document.remark(first.place, f"There is no cron expression for it: {why}. Declare a schedule.")
        return
    draft.put("schedule", schedule.expression, first.place)
    zone = schedule.zone or local_zone()
    draft.put("schedule_time_zone", zone if zone != "UTC" else "", first.place)


def local_zone() -> str:
    """Return the name of this machine's time zone, by which systemd reads times; UTC where it has none."""
    named = os.environ.get("TZ", "").lstrip(":")
    if not named:
        target = os.path.realpath("/etc/localtime")
        named = target.partition("zoneinfo/")[2]
    if named in available_timezones():
        return "UTC" if named in {"Etc/UTC", "UCT", "Zulu", "Etc/UCT"} else named
    return "UTC" if time.timezone == 0 else ""
