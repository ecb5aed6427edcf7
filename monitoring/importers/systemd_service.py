"""One ``.service`` unit as a service."""

import os

from monitoring.importers import systemd_endings, systemd_environment, systemd_limits
from monitoring.importers import systemd_text as text
from monitoring.importers.accounts import account_name, group_name
from monitoring.importers.drafts import Draft, Drafts
from monitoring.importers.sources import Options, Source
from monitoring.importers.systemd_commands import Exec, as_command, parse
from monitoring.importers.systemd_endings import STOP_SECONDS
from monitoring.importers.systemd_lines import Setting, Unit
from monitoring.importers.systemd_notes import note
from monitoring.importers.systemd_settings import Settings
from monitoring.importers.systemd_text import INFINITE

_HOUR, _DAY = 3600.0, 86_400.0
MAPPED = (
    "ExecStart ExecStartPre ExecStartPost ExecStop ExecStopPost Type RemainAfterExit Restart RestartSec "
    "RestartMaxDelaySec StartLimitIntervalSec StartLimitInterval StartLimitBurst TimeoutSec TimeoutStartSec "
    "TimeoutStopSec KillSignal KillMode User Group WorkingDirectory Environment EnvironmentFile "
    "PassEnvironment UnsetEnvironment UMask Nice WatchdogSec SuccessExitStatus RestartPreventExitStatus "
    "RuntimeMaxSec MemoryMax MemoryHigh MemoryLimit StandardOutput StandardError Description After Before "
    "Requires Requisite Wants BindsTo BindTo Upholds WantedBy OnCalendar Unit"
)
MAPPED_NAMES = tuple(MAPPED.split())
_REFUSED = {
    "forking": (
        "Type=forking: a program that goes to the background cannot be watched as its own process. Have it "
        "stay in the foreground (nginx -g 'daemon off;', redis-server --daemonize no) with Type=simple, and "
        "import it again."
    ),
}


class Service:
    """Reads the settings of one unit; each that is not read is told at the end."""

    def __init__(self, unit: Unit, source: Source, options: Options, drafts: Drafts) -> None:
        """Take what is read; nothing happens yet."""
        self._settings = Settings(unit, drafts.document)
        self._source = source
        self._options = options
        self._drafts = drafts

    def read(self) -> Draft | None:
        """Add its service to the drafts and return it; None where the unit is refused, which is told."""
        kind = self._settings.one("Type", str, "simple")
        if kind in _REFUSED:
            setting = self._settings.last("Type")
            self._drafts.refuse(setting.place if setting else self._settings.unit.place, _REFUSED[kind])
            return None
        name = self._settings.unit.name.removesuffix(".service")
        draft = self._drafts.begin(name, self._settings.unit.place)
        draft.runs_once = kind == "oneshot"
        systemd_environment.apply(self._settings, draft, self._source, self._options)
        self._account(draft)
        self._type(draft, kind)
        self._commands(draft, kind)
        systemd_endings.apply(self._settings, draft)
        systemd_limits.apply(self._settings, draft)
        self._output(draft)
        for setting in self._settings.left:
            self._settings.document.remark(setting.place, note(setting.name, MAPPED_NAMES))
        return draft

    # --- variables and accounts ---------------------------------------------------------------------

    def _account(self, draft: Draft) -> None:
        resolved = self._settings.resolved
        draft.put(
            "user", account_name(self._settings.one("User", resolved, "")), self._settings.place("User")
        )
        draft.put(
            "user_group", group_name(self._settings.one("Group", resolved, "")), self._settings.place("Group")
        )
        directory = self._settings.one("WorkingDirectory", resolved, "/").removeprefix("-")
        if directory == "~":
            directory = os.path.expanduser(f"~{draft.fields['user'] or 'root'}")
        draft.put("cwd", directory, self._settings.place("WorkingDirectory"))
        draft.put("umask", self._settings.one("UMask", str, ""), self._settings.place("UMask"))
        draft.put(
            "nice",
            self._settings.one("Nice", lambda v: text.integer(v, -20, 19), None),
            self._settings.place("Nice"),
        )

    # --- start ---------------------------------------------------------------------------------------

    def _type(self, draft: Draft, kind: str) -> None:
        place = self._settings.place("Type")
        start = self._settings.timeout("TimeoutStartSec", "TimeoutSec", default=STOP_SECONDS)
        if kind in {"notify", "notify-reload"}:
            draft.put("ready_kind", "notify", place)
            seconds = min(max(start, 0.1), _HOUR)
            draft.put("start_timeout_seconds", seconds, self._settings.place("TimeoutStartSec", "TimeoutSec"))
        elif self._settings.last("TimeoutStartSec"):
            self._settings.document.remark(
                self._settings.place("TimeoutStartSec"),
                "It counts where something tells that a service is ready: set ready_kind and "
                "start_timeout_seconds.",
            )
        if kind == "dbus":
            self._settings.document.remark(
                place, "Being up for start_seconds counts as started.", mapped=True
            )
        elif kind not in {"simple", "exec", "idle", "oneshot", "notify", "notify-reload"}:
            self._settings.document.fault_at(place, "Write simple, exec, notify, oneshot or idle.")
        if self._settings.one("RemainAfterExit", text.boolean, False):
            self._settings.document.remark(
                self._settings.place("RemainAfterExit"),
                "It shows as EXITED (completed) once it has ended; others can depend on that with the "
                "condition completed.",
                mapped=True,
            )
        watchdog = self._settings.span("WatchdogSec", default=0.0)
        if 0 < watchdog < INFINITE:
            draft.put("health_kind", "notify", self._settings.place("WatchdogSec"))
            draft.put(
                "health_silence_seconds", min(max(watchdog, 0.5), _DAY), self._settings.place("WatchdogSec")
            )

    def _commands(self, draft: Draft, kind: str) -> None:
        start = self._settings.all("ExecStart")
        if not start:
            self._settings.document.fault_at(
                self._settings.unit.place, "It has no ExecStart. Write one such as ExecStart=/bin/prog."
            )
            draft.put("command", [], self._settings.unit.place)
        elif len(start) > 1 and kind != "oneshot":
            self._settings.document.fault_at(
                start[1].place, "Only a unit of Type=oneshot has several ExecStart."
            )
        self._command(draft, "command", start, main=True)
        for field, name in (
            ("pre_start_command", "ExecStartPre"),
            ("post_start_command", "ExecStartPost"),
            ("post_stop_command", "ExecStopPost"),
        ):
            self._command(draft, field, self._settings.all(name))
        self._stop_command(draft)

    def _command(self, draft: Draft, field: str, settings: list[Setting], *, main: bool = False) -> None:
        commands = self._parsed(settings)
        if not commands:
            return
        place = settings[0].place
        if main and len(commands) == 1 and commands[0].ignores_failure:
            self._settings.document.remark(
                place, "-: a failure counts as one here. Name the codes in success_exit_codes.", mapped=True
            )
            commands = [Exec(commands[0].words)]
        self._drafts.command(draft, field, as_command(commands, draft.env), place)

    def _parsed(self, settings: list[Setting]) -> list[Exec]:
        commands: list[Exec] = []
        for setting in settings:
            found: list[Exec] = self._settings.attempt(
                setting, lambda s: parse(s.value, self._settings.known), []
            )
            commands += found
            for command in found:
                for remark in command.remarks:
                    self._settings.document.remark(setting.place, remark, mapped=True)
        return commands

    def _stop_command(self, draft: Draft) -> None:
        settings = self._settings.all("ExecStop")
        commands = self._parsed(settings)
        if not commands:
            return
        place = settings[0].place
        name = commands[0].stop_signal if len(commands) == 1 else ""
        if name:
            draft.put(
                "stop_signal",
                self._settings.attempt(settings[0], lambda _: text.signal_name(name), "SIGTERM"),
                place,
            )
            message = "It sends the stop signal; here the whole process group gets it."
            self._settings.document.remark(place, message, mapped=True)
            return
        self._drafts.command(draft, "stop_command", as_command(commands, draft.env), place)

    # --- restart and stop ----------------------------------------------------------------------------

    # --- limits and output ---------------------------------------------------------------------------

    def _output(self, draft: Draft) -> None:
        for name in ("StandardOutput", "StandardError"):
            setting = self._settings.last(name)
            if setting is not None and setting.value not in {"journal", "inherit", "journal+console"}:
                self._settings.document.remark(
                    setting.place,
                    "Its output goes to a log of medimgr's own, logs/KEY.log in the data directory: see "
                    "services tail, the page, or the API.",
                )
            if (
                name == "StandardError"
                and setting is not None
                and setting.value.startswith(("file:", "append:", "truncate:"))
            ):
                draft.put("log_stderr_apart", True, setting.place)
