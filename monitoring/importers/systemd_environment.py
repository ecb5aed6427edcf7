"""The variables of a unit: ``Environment=``, ``EnvironmentFile=`` and what goes with them."""

import glob
from pathlib import Path

from monitoring.importers import systemd_text as text
from monitoring.importers.document import Place
from monitoring.importers.drafts import Draft
from monitoring.importers.faults import ImportProblem
from monitoring.importers.sources import Options, Source
from monitoring.importers.systemd_lines import Setting
from monitoring.importers.systemd_settings import Settings
from monitoring.importers.systemd_text import BadValue
from monitoring.importers.variable_files import read_variables


def apply(settings: Settings, draft: Draft, source: Source, options: Options) -> None:
    """Read the variables of a unit, those of its files among them."""
    env: dict[str, str] = {}
    place = settings.unit.place
    for setting in settings.all("Environment"):
        place = setting.place
        env |= settings.attempt(setting, lambda s: _assignments(s.value, settings), {})
    # Files come after Environment=, wherever they stand.
    for setting in settings.all("EnvironmentFile"):
        place = setting.place
        env |= _file(setting, settings, source)
    for setting in settings.all("PassEnvironment"):
        for name in setting.value.split():
            if name in options.variables:
                env.setdefault(name, options.variables[name])
            else:
                message = f"There is no {name} in the environment of this import. Write it under env."
                settings.document.remark(setting.place, message)
    for setting in settings.all("UnsetEnvironment"):
        for word in setting.value.split():
            env.pop(word.partition("=")[0], None)
    draft.put("env", env, place)


def _assignments(value: str, settings: Settings) -> dict[str, str]:
    found = {}
    for piece in text.split(value):
        name, equals, item = settings.resolved(piece.text).partition("=")
        if not equals or not name:
            raise BadValue('Write NAME=value, quotes around all of it where it has blanks: "A=b c".')
        found[name] = item
    return found


def _file(setting: Setting, settings: Settings, source: Source) -> dict[str, str]:
    path = settings.attempt(setting, lambda s: settings.resolved(s.value), "")
    optional, path = path.startswith("-"), path.removeprefix("-")
    if not source.local:
        message = "Files of variables are read only by manage.py services import. Write them under env."
        settings.document.remark(setting.place, message)
        return {}
    found: dict[str, str] = {}
    names = sorted(glob.glob(path)) if path.startswith("/") else []
    for name in names:
        try:
            file = source.neighbour(Path(name))
        except FileNotFoundError:
            continue
        except ImportProblem as problem:
            settings.document.remark(setting.place, f"{name} cannot be read: {problem.faults[0].message}")
            continue
        variables, others = read_variables(file.text)
        found |= variables
        for line in others:
            settings.document.remark(
                Place(name, line, ""), "It sets no variable: a line has to be NAME=value."
            )
    if names:
        settings.document.remark(
            setting.place,
            "Its variables are taken over as they are now; later changes are not.",
            mapped=True,
        )
    else:
        may = " It may be missing there." if optional else ""
        settings.document.remark(
            setting.place, f"There is no such file on this machine.{may} Write it under env."
        )
    return found
