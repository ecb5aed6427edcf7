"""After which ends a unit is started again, and how it is stopped."""

from monitoring.importers import systemd_text as text
from monitoring.importers.drafts import Draft
from monitoring.importers.systemd_settings import SERVICE, Settings

_HOUR, _DAY = 3600.0, 86_400.0
STOP_SECONDS = 90.0
"""DefaultTimeoutStopSec and DefaultTimeoutStartSec of systemd."""
_START_LIMIT_BURST = 5
_CLEAN_SIGNALS = ["SIGHUP", "SIGINT", "SIGTERM", "SIGPIPE"]
_POLICIES = {
    "no": "never",
    "always": "always",
    "on-failure": "on-failure",
    "on-abnormal": "on-failure",
    "on-watchdog": "on-failure",
    "on-abort": "on-failure",
    "on-success": "never",
}


def apply(settings: Settings, draft: Draft) -> None:
    """Read after which ends it is started again, and how it is stopped."""
    written = settings.one("Restart", str, "no")
    place = settings.place("Restart")
    if written not in _POLICIES:
        settings.document.fault_at(place, f"Write {', '.join(_POLICIES)}.")
    policy = _POLICIES.get(written, "never")
    draft.put("restart_policy", policy, place)
    if written in {"on-abnormal", "on-watchdog", "on-abort"}:
        settings.document.remark(
            place, "It is restarted after exit codes that mean failure, too.", mapped=True
        )
    elif written == "on-success":
        settings.document.remark(place, "Nothing is restarted after a success alone; it is never restarted.")
    codes, signals = settings.one("SuccessExitStatus", text.statuses, ([], []))
    if codes:
        draft.put("success_exit_codes", sorted({0, *codes}), settings.place("SuccessExitStatus"))
    clean = _CLEAN_SIGNALS if policy == "on-failure" else []
    if clean or signals:
        draft.put(
            "success_signals",
            list(dict.fromkeys([*clean, *signals])),
            settings.place("SuccessExitStatus", "Restart"),
        )
    fatal, by_signal = settings.one("RestartPreventExitStatus", text.statuses, ([], []))
    place = settings.place("RestartPreventExitStatus")
    good = draft.fields.get("success_exit_codes", [0])
    if fatal:
        draft.put("fatal_exit_codes", sorted({code for code in fatal if code not in good}), place)
    if by_signal:
        settings.document.remark(
            place, f"Only codes keep it from being restarted, not {' '.join(by_signal)}."
        )
    _delays(settings, draft)
    _stopping(settings, draft)
    if draft.runs_once and written == "always":
        settings.document.remark(place, "It is started again each time it ends.", mapped=True)


def _delays(settings: Settings, draft: Draft) -> None:
    if settings.last("RestartSec"):
        delay = min(settings.span("RestartSec", default=0.1), _HOUR)
        longest = settings.span("RestartMaxDelaySec", default=delay)
        draft.put("backoff_base_seconds", delay, settings.place("RestartSec"))
        draft.put("backoff_cap_seconds", min(max(longest, delay, 0.1), _DAY), settings.place("RestartSec"))
    for section in ("Unit", SERVICE):
        _start_limit(settings, draft, section)


def _start_limit(settings: Settings, draft: Draft, section: str) -> None:
    names = ("StartLimitIntervalSec", "StartLimitInterval")
    burst = settings.one("StartLimitBurst", lambda v: text.integer(v, 0, 10**6), None, section)
    window = settings.span(*names, default=-1.0, section=section)
    if burst is None and window < 0:
        return
    place = settings.place("StartLimitBurst", *names, section=section)
    times = _START_LIMIT_BURST if burst is None else burst
    draft.put("max_failures", 0 if window == 0 else times, place)
    draft.put("failure_window_seconds", min(max(window if window > 0 else 10.0, 1.0), _DAY), place)
    message = "So many failures turn auto-recovery off; starts that somebody asks for do not count."
    settings.document.remark(place, message, mapped=True)


def _stopping(settings: Settings, draft: Draft) -> None:
    stop = settings.timeout("TimeoutStopSec", "TimeoutSec", default=STOP_SECONDS)
    place = settings.place("TimeoutStopSec", "TimeoutSec")
    draft.put("stop_timeout_seconds", min(stop, _HOUR), place)
    if stop > _HOUR:
        settings.document.remark(place, f"It is killed after {_HOUR:g} s at the latest.", mapped=True)
    if "stop_command" in draft.fields:
        draft.put("stop_request_seconds", min(max(stop, 0.1), _HOUR), place)
    if settings.last("KillSignal"):
        draft.put(
            "stop_signal",
            settings.one("KillSignal", text.signal_name, "SIGTERM"),
            settings.place("KillSignal"),
        )
    mode = settings.one("KillMode", str, "control-group")
    if mode != "control-group":
        message = "The whole process tree is asked to end, and killed where it does not."
        settings.document.remark(settings.place("KillMode"), message, mapped=True)
