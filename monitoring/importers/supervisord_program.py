"""One ``[program:x]`` as a service, or as several where its processes differ too much."""

import socket
from dataclasses import dataclass
from typing import Any

from monitoring.importers import supervisord_text as text
from monitoring.importers.accounts import account_name
from monitoring.importers.commands import Command, by_shell_with
from monitoring.importers.document import Place
from monitoring.importers.drafts import Draft, Drafts
from monitoring.importers.supervisord_lines import Option, Section
from monitoring.importers.supervisord_notes import PROGRAM_NOTES, PROGRAM_OFF, unknown_option
from monitoring.importers.supervisord_text import BadValue, NotByCopies

MOST_PROCESSES = 100
_MB = 1024 * 1024
_MOST_LOG_MB = 100_000
_BETWEEN_TRIES = 1.0
"""Supervisor waits 1, 2, 3 ... seconds between tries to start; here it is 1, 2, 4 ..."""
_SHELL_SIGNS = frozenset({"&&", "||", "|", ";", "&", ">", ">>", "<", "2>&1"})


@dataclass(frozen=True, slots=True)
class Around:
    """What a program takes from the rest of the file."""

    group: str
    group_priority: Option | None
    shared: Section | None
    """The section [supervisord], whose settings all processes inherit."""
    known: dict[str, object]
    """What can be expanded everywhere."""
    default_priority: int | None


class Program:
    """Reads the options of one section; each that is not read is told at the end."""

    def __init__(self, section: Section, around: Around, drafts: Drafts) -> None:
        """Take what is read; nothing happens yet."""
        self._section = section
        self._around = around
        self._drafts = drafts
        self._document = drafts.document
        self._left = dict(section.options)
        self._name = section.name.partition(":")[2].strip()
        self._known = around.known | {"program_name": self._name, "group_name": around.group or self._name}

    def read(self) -> None:
        """Add its service, or services, to the drafts."""
        count = self._number("numprocs", 1, 1, MOST_PROCESSES)
        start = self._number("numprocs_start", 0, 0, 10**6)
        drafts = self._processes(count, start)
        for draft in drafts:
            self._settings(draft)
        for option in self._left.values():
            self._tell(option)

    # --- one service or several ---------------------------------------------------------------------

    def _processes(self, count: int, start: int) -> list[Draft]:
        raw = {name: self._left.pop(name, None) for name in ("command", "environment", "directory")}
        process_name = self._left.pop("process_name", None)
        values = {name: option.value for name, option in raw.items() if option is not None}
        if count > 1:
            try:
                return [self._copies(values, raw, start, count)]
            except NotByCopies as differ:
                self._document.remark(
                    self._section.options["numprocs"].place,
                    f"Its {count} processes become {count} services, since {differ}.",
                    mapped=True,
                )
        drafts = []
        for number in range(start, start + count):
            known = self._known | {"process_num": number, "numprocs": count}
            name = self._name
            if process_name is not None:
                name = self._try(process_name, lambda o, k=known: text.expand(o.value, k), self._name)
            elif count > 1:
                name = f"{self._name}-{number}"
            draft = self._drafts.begin(name or self._name, self._section.place)
            if count > 1:
                draft.put("group", (self._around.group or self._name)[:63], self._section.place)
            self._fill(draft, values, raw, known)
            drafts.append(draft)
        return drafts

    def _copies(self, values: dict[str, str], raw: dict[str, Option | None], start: int, count: int) -> Draft:
        names = [name for name in ("command", "environment") if name in values]
        if "%(process_num)" in values.get("directory", "").replace("%%", ""):
            raise NotByCopies("each has a directory of its own")
        told, port = text.by_copies([values[name] for name in names], start, count)
        draft = self._drafts.begin(self._name, self._section.place)
        place = self._section.options["numprocs"].place
        draft.put("instances", count, place)
        if port:
            draft.put("ports", [port], place)
            self._document.remark(
                place,
                f"The numbers from {port} to {port + count - 1} are taken for the ports of its copies.",
                mapped=True,
            )
        known = self._known | {"numprocs": count}
        self._fill(draft, values | dict(zip(names, told, strict=True)), raw, known)
        return draft

    # --- what is run -------------------------------------------------------------------------------

    def _fill(
        self,
        draft: Draft,
        values: dict[str, str],
        raw: dict[str, Option | None],
        known: dict[str, object],
    ) -> None:
        place = self._section.place
        env: dict[str, str] = {}
        shared = self._around.shared.options.get("environment") if self._around.shared else None
        for option, value in (
            (shared, shared.value if shared else ""),
            (raw["environment"], values.get("environment", "")),
        ):
            if option is not None:
                env |= self._try(option, lambda _, v=value: text.environment(text.expand(v, known)), {})
                place = option.place
        draft.put("env", env, place)
        known = known | {f"ENV_{name}": value for name, value in env.items()}
        self._command(draft, raw["command"], values.get("command", ""), known)
        self._directory(draft, raw["directory"], known)

    def _command(self, draft: Draft, option: Option | None, value: str, known: dict[str, object]) -> None:
        if option is None:
            place = self._section.place
            self._document.fault_at(place, "It has no command. Write one such as command = gunicorn app.")
            draft.put("command", [], Place(place.file, place.line, place.key))
            return
        words = self._try(option, lambda _: text.words(text.expand(value, text.masked(known))), [])
        secret = sorted({part.name for word in words for part in word if not isinstance(part, str)})
        if secret:
            draft.fields["env"] = draft.env | {name: str(known[f"ENV_{name}"]) for name in secret}
            reason = f"${secret[0]}, whose value is kept out of the command"
            self._drafts.command(draft, "command", by_shell_with(words, reason, draft.env), option.place)
            return
        arguments = ["".join(str(part) for part in word) for word in words]
        self._drafts.command(draft, "command", Command(arguments), option.place)
        signs = sorted(_SHELL_SIGNS.intersection(arguments))
        if signs or any(argument.startswith("$") for argument in arguments):
            self._document.remark(
                option.place,
                f"{' '.join(signs) or '$'} is plain text to the program, as it was under Supervisor: neither "
                "runs a shell. Begin with /bin/sh -c where one is meant.",
                mapped=True,
            )

    def _directory(self, draft: Draft, option: Option | None, known: dict[str, object]) -> None:
        shared = self._around.shared.options if self._around.shared else {}
        if option is None and not ("nodaemon" in shared and shared["nodaemon"].value.lower() in text.TRUE):
            # supervisord goes to its own directory when it becomes a daemon, and its processes start there.
            option = shared.get("directory")
        if option is not None:
            draft.put("cwd", self._try(option, lambda o: text.expand(o.value, known), ""), option.place)

    # --- how it is run -----------------------------------------------------------------------------

    def _settings(self, draft: Draft) -> None:
        options = self._section.options
        place = self._section.place
        if self._around.group:
            draft.put("group", self._around.group[:63], place)
        self._priority(draft)
        draft.put("autostart", self._value("autostart", text.boolean, True), self._place("autostart"))
        self._restarts(draft)
        draft.put(
            "stop_signal", self._value("stopsignal", text.signal_name, "SIGTERM"), self._place("stopsignal")
        )
        wait = self._value("stopwaitsecs", lambda v: text.integer(v, 0, 3600), 10)
        draft.put("stop_timeout_seconds", float(wait), self._place("stopwaitsecs"))
        for name in ("stopasgroup", "killasgroup"):
            if name in options and not self._value(name, text.boolean, True):
                self._document.remark(
                    options[name].place,
                    "Here the whole process tree is always asked to end, and killed where it does not.",
                    mapped=True,
                )
        self._account(draft)
        self._log(draft)

    def _priority(self, draft: Draft) -> None:
        own = self._value("priority", lambda v: text.integer(v, -(10**6), 10**6), None)
        group = self._around.group_priority
        if own is not None:
            draft.put("priority", own, self._place("priority"))
        elif group is not None:
            value = self._try(group, lambda o: text.integer(o.value, -(10**6), 10**6), 999)
            draft.put("priority", value, group.place)
        elif self._around.default_priority is not None:
            draft.put("priority", self._around.default_priority, self._section.place)

    def _restarts(self, draft: Draft) -> None:
        options = self._section.options
        seconds = self._value("startsecs", lambda v: text.integer(v, 0, 3600), 1)
        tries = self._value("startretries", lambda v: text.integer(v, 0, 1000), 3)
        policy = self._value("autorestart", _policy, "on-failure")
        draft.put("restart_policy", policy, self._place("autorestart"))
        draft.put("success_exit_codes", self._value("exitcodes", text.codes, [0]), self._place("exitcodes"))
        draft.put("start_seconds", float(seconds), self._place("startsecs"))
        draft.put("stable_seconds", max(float(seconds), 0.1), self._place("startsecs"))
        draft.put("backoff_base_seconds", _BETWEEN_TRIES, self._place("startretries"))
        waits = sum(min(60.0, _BETWEEN_TRIES * 2**number) for number in range(tries))
        window = min(86_400.0, max(1.0, float(round((tries + 1) * (seconds + 1) + waits))))
        draft.put("max_failures", tries + 1, self._place("startretries"))
        draft.put("failure_window_seconds", window, self._place("startretries"))
        if "startretries" in options:
            self._document.remark(
                options["startretries"].place,
                f"Auto-recovery turns itself off after {tries + 1} failures within {window:g} s: here later "
                "ends count too, not those before startsecs alone.",
                mapped=True,
            )

    def _account(self, draft: Draft) -> None:
        shared = self._around.shared.options if self._around.shared else {}
        user = self._option("user") or shared.get("user")
        if user is not None:
            name = self._try(user, lambda o: text.expand(o.value, self._known), "")
            draft.put("user", account_name(name), user.place)
        umask = self._option("umask") or shared.get("umask")
        if umask is not None:
            draft.put("umask", umask.value.removeprefix("0o"), umask.place)

    def _log(self, draft: Draft) -> None:
        merged = self._value("redirect_stderr", text.boolean, False)
        draft.put("log_stderr_apart", not merged, self._place("redirect_stderr"))
        keep = self._value("stdout_logfile_backups", lambda v: text.integer(v, 0, 1000), None)
        if keep is not None:
            draft.put("log_keep", keep, self._place("stdout_logfile_backups"))
        most = self._value("stdout_logfile_maxbytes", text.size, None)
        if most:
            draft.put(
                "log_max_mb", min(_MOST_LOG_MB, -(-most // _MB)), self._place("stdout_logfile_maxbytes")
            )
        elif most == 0:
            self._unlimited_log(draft, self._place("stdout_logfile_maxbytes"))

    def _unlimited_log(self, draft: Draft, place: Place) -> None:
        file = self._section.options.get("stdout_logfile")
        if file is not None and file.value.startswith("/dev/"):
            # What goes to a terminal or a pipe cannot be rotated; here it is a file after all.
            message = "The log is a file here, with the limit that all have."
        else:
            draft.put("log_max_mb", _MOST_LOG_MB, place)
            message = f"A log without a limit is put away at {_MOST_LOG_MB} MB here."
        self._document.remark(place, message, mapped=True)

    # --- options ------------------------------------------------------------------------------------

    def _place(self, name: str) -> Place:
        option = self._section.options.get(name)
        return option.place if option is not None else self._section.place

    def _option(self, name: str) -> Option | None:
        """Return an option, which has been read then. Each process of the program reads it anew."""
        self._left.pop(name, None)
        return self._section.options.get(name)

    def _number(self, name: str, default: int, least: int, most: int) -> int:
        found: int = self._value(name, lambda v: text.integer(v, least, most), default)
        return found

    def _value(self, name: str, read: Any, default: Any) -> Any:
        """Return an option as ``read`` takes it, or the default where it is absent or wrong."""
        option = self._option(name)
        if option is None:
            return default
        return self._try(option, lambda o: read(text.expand(o.value, self._known)), default)

    def _try(self, option: Option, read: Any, default: Any) -> Any:
        """Read an option; what is wrong with it becomes a fault at its line."""
        try:
            return read(option)
        except BadValue as wrong:
            fault = str(wrong)
            if not any(f.key == option.place.key and f.message == fault for f in self._document.faults):
                self._document.fault_at(option.place, fault)
            return default

    def _tell(self, option: Option) -> None:
        if option.name in PROGRAM_OFF and option.value.strip().lower() in PROGRAM_OFF[option.name]:
            return
        self._document.remark(option.place, PROGRAM_NOTES.get(option.name) or unknown_option(option.name))


def _policy(value: str) -> str:
    if value.lower() == "unexpected":
        return "on-failure"
    return "always" if text.boolean(value) else "never"


def host_name() -> str:
    """Return what ``%(host_node_name)s`` is."""
    return socket.gethostname()
