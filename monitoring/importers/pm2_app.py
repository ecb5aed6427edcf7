"""One app of a PM2 ecosystem file as a service."""

import math
import posixpath
from collections.abc import Callable
from typing import Any

from monitoring.importers import pm2_values as values
from monitoring.importers.accounts import account_name, group_name
from monitoring.importers.commands import Command, EmptyCommand, from_shell
from monitoring.importers.document import Place
from monitoring.importers.drafts import Draft, Drafts
from monitoring.importers.json_places import Parsed, Path
from monitoring.importers.pm2_notes import ALIASES, NOTES, OFF, unknown_setting
from monitoring.importers.pm2_values import BadSetting
from monitoring.importers.shell_words import BrokenQuoting
from monitoring.importers.sources import Options, Source

INTERPRETERS = {
    ".js": "node",
    ".cjs": "node",
    ".mjs": "node",
    ".json": "node",
    ".ts": "ts-node",
    ".tsx": "ts-node",
    ".coffee": "coffee",
    ".py": "python3",
    ".sh": "bash",
    ".rb": "ruby",
    ".pl": "perl",
    ".php": "php",
}
"""By the ending of a script, as PM2 chooses."""
_STOP_SECONDS = 1.6
_LONGEST_BACKOFF = 15.0


class App:
    """Reads the settings of one app; each that is not read is told at the end."""

    def __init__(
        self,
        app: dict[str, Any],
        path: Path,
        parsed: Parsed,
        source: Source,
        options: Options,
        drafts: Drafts,
    ) -> None:
        """Take what is read; nothing happens yet."""
        self._written = {ALIASES.get(name, name): name for name in app}
        self._app = {ALIASES.get(name, name): value for name, value in app.items()}
        self._raw = app
        self._path = path
        self._parsed = parsed
        self._source = source
        self._options = options
        self._drafts = drafts
        self._document = drafts.document
        self._read: set[str] = set()
        number = f"apps[{path[-1]}]" if path and isinstance(path[-1], int) else "app"
        self._label = str(app.get("name") or number)[:60]

    def read(self) -> None:
        """Add its service to the drafts."""
        script = self._value("script", values.text, "")
        name = (
            self._value("name", values.name, "") or posixpath.splitext(posixpath.basename(script.strip()))[0]
        )
        draft = self._drafts.begin(
            name or "app", Place(self._source.name, self._parsed.line(*self._path), name)
        )
        self._environment(draft)
        self._directory(draft)
        self._command(draft, script)
        self._instances(draft)
        self._restarts(draft)
        self._rest(draft)
        self._tell()

    # --- what is run -------------------------------------------------------------------------------

    def _environment(self, draft: Draft) -> None:
        env = self._value("env", values.variables, {})
        for name in [name for name in self._app if name.startswith("env_")]:
            self._read.add(name)
            if self._options.env and name == f"env_{self._options.env}":
                env = env | self._value(name, values.variables, {})
            else:
                message = (
                    f"It is not taken over. Give --env {name[4:]} to have these variables on top of env."
                )
                self._document.remark(self._place(name), message)
        if (port := self._value("port", values.whole, None)) is not None:
            env = env | {"PORT": str(port)}
        draft.put("env", env, self._place("env"))

    def _directory(self, draft: Draft) -> None:
        cwd = self._value("cwd", values.text, "")
        directory = self._source.directory
        if cwd.startswith("/") or not directory:
            draft.put("cwd", cwd, self._place("cwd"))
        else:
            draft.put("cwd", posixpath.normpath(posixpath.join(directory, cwd)), self._place("cwd"))
        if not directory and not cwd.startswith("/"):
            self._document.remark(
                draft.place,
                "It runs in the directory of its file, which a text alone does not tell: name the directory.",
                mapped=True,
            )

    def _command(self, draft: Draft, script: str) -> None:
        place = self._place("script")
        interpreter = self._value("exec_interpreter", values.text, "")
        for_node = self._value("node_args", values.arguments, [])
        arguments = self._value("args", values.arguments, [])
        draft.put("command", [], place)
        if not script.strip():
            self._document.fault_at(place, 'It has no script. Write one such as "script": "dist/main.js".')
            return
        if " " in script.strip() and not interpreter:
            try:
                line = from_shell(script, draft.env)
            except (BrokenQuoting, EmptyCommand) as wrong:
                self._document.fault_at(place, str(wrong))
                return
            draft.fields["env"] = draft.env | line.env
            self._drafts.command(
                draft,
                "command",
                Command([*line.arguments, *arguments], {}, line.needs_shell, line.unknown),
                place,
            )
            return
        chosen = interpreter or INTERPRETERS.get(posixpath.splitext(script)[1].lower(), "none")
        if chosen in {"none", "binary"}:
            if for_node:
                self._document.remark(self._place("node_args"), "No interpreter runs it, so they go nowhere.")
            command = [script, *arguments]
        else:
            command = [chosen, *for_node, script, *arguments]
        self._drafts.command(draft, "command", Command(command), place)
        if not interpreter and chosen == "none" and "/" in script:
            self._document.remark(
                place,
                "It is run as it is. PM2 would have Node run it unless it is a binary: set interpreter to "
                "node if it is a script of Node's.",
                mapped=True,
            )

    # --- how many -----------------------------------------------------------------------------------

    def _instances(self, draft: Draft) -> None:
        place = self._place("instances")
        count = self._value("instances", values.count, 1)
        mode = str(self._value("exec_mode", values.text, "fork"))
        increment = self._value("increment_var", values.text, "")
        variable = self._value("instance_var", values.text, "") or "NODE_APP_INSTANCE"
        if "instances" in self._app and not values.is_number(self._app["instances"], least=1):
            message = f"It is {count}, by the processors of this machine."
            self._document.remark(place, message, mapped=True)
        port = draft.env.get("PORT", "")
        is_port = port.isascii() and port.isdigit() and 0 < int(port[:6] or 0) < 65536
        if is_port:
            draft.put("ports", [int(port)], self._place("env"))
        if mode.startswith("cluster"):
            count = self._cluster(draft, count, is_port=is_port)
        if count > 1:
            draft.put("instances", count, place)
            if any(sign in str(draft.fields["command"]) for sign in ("{instance}", "{port}")):
                self._document.remark(
                    self._place("args"),
                    "{instance} and {port} stand for each copy's own number and port here.",
                    mapped=True,
                )
            draft.put("env", draft.env | {variable: "{instance}"}, draft.places["env"])
            if is_port and (mode.startswith("cluster") or increment == "PORT"):
                draft.put("env", draft.env | {"PORT": "{port}"}, draft.places["env"])
            elif is_port:
                # Nobody gives the copies ports of their own: what the number means is the program's affair.
                draft.put("ports", [], self._place("env"))
        if increment and increment != "PORT" and count > 1:
            self._document.remark(
                self._place("increment_var"),
                f"{increment} is the same for all copies. Use {{instance}} in its value under env.",
            )

    def _cluster(self, draft: Draft, count: int, *, is_port: bool) -> int:
        place = self._place("exec_mode")
        if count == 1:
            self._document.remark(place, "It runs as one ordinary process.", mapped=True)
        elif is_port:
            first = int(draft.env["PORT"])
            self._document.remark(
                place,
                "Node's cluster module shares one port; here each copy has its own, in PORT: "
                f"{first} to {first + count - 1}. Put a load balancer before them.",
                mapped=True,
            )
        else:
            self._document.remark(
                place,
                f"Node's cluster module shares one port; {count} copies would each want it, so there is one. "
                "Let it listen at the port in PORT, declare PORT under env, and import it again.",
            )
            return 1
        return count

    # --- when it is started again -------------------------------------------------------------------

    def _restarts(self, draft: Draft) -> None:
        again = self._value("autorestart", values.yes, True)
        good = self._value("stop_exit_codes", values.codes, [])
        policy = "never" if not again else "on-failure" if good else "always"
        draft.put("restart_policy", policy, self._place("autorestart"))
        if good:
            draft.put("success_exit_codes", good, self._place("stop_exit_codes"))
        up = self._value("min_uptime", values.milliseconds, None)
        if up is not None:
            draft.put("start_seconds", min(up, 3600.0), self._place("min_uptime"))
            draft.put("stable_seconds", min(max(up, 0.1), 86_400.0), self._place("min_uptime"))
        delay = self._value("restart_delay", values.milliseconds, None)
        growing = self._value("exp_backoff_restart_delay", values.milliseconds, None)
        if growing:
            draft.put("backoff_base_seconds", min(growing, 3600.0), self._place("exp_backoff_restart_delay"))
            draft.put(
                "backoff_cap_seconds",
                max(_LONGEST_BACKOFF, min(growing, 3600.0)),
                self._place("exp_backoff_restart_delay"),
            )
        elif delay is not None:
            draft.put("backoff_base_seconds", min(delay, 3600.0), self._place("restart_delay"))
            draft.put("backoff_cap_seconds", min(max(delay, 0.1), 86_400.0), self._place("restart_delay"))
        tries = self._value("max_restarts", values.whole, None)
        if tries is not None:
            wait = (up or 1.0) + ((growing and _LONGEST_BACKOFF) or delay or 60.0)
            window = float(math.ceil(min(86_400.0, max(1.0, tries * wait))))
            draft.put("max_failures", tries, self._place("max_restarts"))
            draft.put("failure_window_seconds", window, self._place("max_restarts"))
            self._document.remark(
                self._place("max_restarts"),
                f"Auto-recovery turns itself off after so many failures within {window:g} s"
                f"{'' if tries else '; 0 is for never here'}. PM2 counts those before min_uptime alone.",
                mapped=True,
            )

    # --- the rest -----------------------------------------------------------------------------------

    def _rest(self, draft: Draft) -> None:
        draft.put("autostart", self._value("autostart", values.yes, True), self._place("autostart"))
        draft.put("group", self._value("namespace", values.name, "")[:63], self._place("namespace"))
        draft.put("user", account_name(self._value("uid", values.name, "")), self._place("uid"))
        draft.put("user_group", group_name(self._value("gid", values.name, "")), self._place("gid"))
        draft.put("stop_signal", "SIGINT", draft.place)
        stop = self._value("kill_timeout", values.milliseconds, _STOP_SECONDS)
        draft.put("stop_timeout_seconds", min(stop, 3600.0), self._place("kill_timeout"))
        if (memory := self._value("max_memory_restart", values.memory, None)) is not None:
            draft.put("max_memory_mb", memory, self._place("max_memory_restart"))
        merged = self._value("merge_logs", values.yes, None)
        if merged is not None:
            self._document.remark(
                self._place("merge_logs"),
                "Each copy has a log of its own. Standard error goes to the same file unless "
                "log_stderr_apart is set.",
                mapped=True,
            )
        if self._value("wait_ready", values.yes, False):
            self._document.remark(
                self._place("wait_ready"),
                "process.send('ready') needs PM2's IPC channel, which is not there. Let it send READY=1 to "
                'the socket in NOTIFY_SOCKET (ready_kind "notify"), or declare tcp, http or log there.',
            )

    def _tell(self) -> None:
        for name, value in self._app.items():
            if name in self._read:
                continue
            off = OFF.get(name)
            if off is not None and any(
                value is known or (value == known and type(value) is type(known)) for known in off
            ):
                continue
            self._document.remark(self._place(name), NOTES.get(name) or unknown_setting(self._written[name]))

    # --- settings -----------------------------------------------------------------------------------

    def _place(self, name: str) -> Place:
        written = self._written.get(name)
        if written is None:
            return Place(self._source.name, self._parsed.line(*self._path), self._label)
        line = self._parsed.line(*self._path, written)
        return Place(self._source.name, line, f"{self._label}.{written}")

    def _value(self, name: str, read: Callable[[Any], Any], default: Any) -> Any:
        """Return a setting as ``read`` takes it, or the default where it is absent, null or wrong."""
        self._read.add(name)
        value = self._app.get(name)
        if value is None:
            return default
        try:
            return read(value)
        except BadSetting as wrong:
            self._document.fault_at(self._place(name), str(wrong))
            return default
