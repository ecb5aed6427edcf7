"""What of a unit has no counterpart: why, and what to do instead."""

import difflib
import re

_FILE_SYSTEM = (
    "A service sees the file system as it is. Use the rights of its account, or run it through a tool such "
    "as bubblewrap."
)
_SANDBOX = (
    "A service is not confined here. Use the rights of its account, or begin its command with setpriv or "
    "bwrap."
)
_CGROUP = (
    "There are no control groups. max_memory_mb and max_cpu_percent replace a process that uses too much; "
    "systemd-run sets hard limits."
)
_SCHEDULER = "Only nice is set. Begin the command with chrt, ionice or taskset."
_SYSLOG = "Nothing is sent to the journal. The service's own log has its output: services tail KEY."
_CONDITION = "A start has no conditions. Let pre_start_command test it: where that fails, so does the start."
_UNITS = "Units are not tied together like this. Declare dependencies, which order starts and stops."
_ACTION = "The machine is not acted upon. Watch the service's state by the API's stream /events/."
_CREDENTIALS = (
    "No credentials are handed over. Put the value under env, or its file where the account can read it."
)
_DIRECTORY = "Directories are not made. Make it with its owner, or let pre_start_command do so: mkdir -p."
_TTY = "A service has no terminal."
_SOCKETS = "No sockets are handed over to a service. Let the program listen itself."
_STARTED_BY_HAND = "Who may start and stop it is a matter of permissions here."
_JOB = "Starts and stops have deadlines of their own: start_timeout_seconds, stop_timeout_seconds."
_OLD = "It means nothing to systemd any more."

_BY_PATTERN: tuple[tuple[str, str], ...] = (
    (_CONDITION, r"(Condition|Assert)\w+"),
    (
        _FILE_SYSTEM,
        r"Root(Directory|Image|Hash|Verity|Ephemeral|MStack)\w*|Extension\w+|Mount(Images|Flags|APIVFS)"
        r"|Bind\w*Paths|(ReadWrite|ReadOnly|Inaccessible|Exec|NoExec)(Paths|Directories)"
        r"|TemporaryFileSystem|ExecSearchPath",
    ),
    (
        _SANDBOX,
        r"(Private|Protect|Restrict|SystemCall|SELinux|AppArmor|Smack|Capabilit|Ambient|Secure)\w*"
        r"|NoNewPrivileges|LockPersonality|MemoryDenyWriteExecute|Personality|KeyringMode|ProcSubset"
        r"|RemoveIPC|(Network|IPC|User|Log|Delegate)Namespace\w*|UserNamespacePath|BPF\w+|DevicePolicy"
        r"|DeviceAllow",
    ),
    (
        _CGROUP,
        r"(CPU(?!Sched|Affin)|Startup|Memory|DefaultMemory|IO(?!Sched)|BlockIO|Tasks|ManagedOOM|Allowed)\w*"
        r"|(IPAddress|IP(In|E)gress|Socket)\w+|Slice|Delegate\w*|DisableControllers|IPAccounting|NFTSet"
        r"|CoredumpReceive|OOM\w+",
    ),
    (
        _SCHEDULER,
        r"(IOScheduling|CPUScheduling|CPUAffinity|NUMA)\w*|TimerSlackNSec|CoredumpFilter",
    ),
    (_SYSLOG, r"(Syslog|Log)\w+"),
    (_CREDENTIALS, r"(LoadCredential|SetCredential|ImportCredential)\w*"),
    (_DIRECTORY, r"(Runtime|State|Cache|Logs|Configuration)Directory\w*|TimeoutCleanSec"),
    (_TTY, r"TTY\w+|Utmp\w+|PAMName|StandardInput\w*"),
    (_JOB, r"(Job|OnSuccessJob|OnFailureJob)\w+"),
)
_BY_NAME = {
    "ExecReload": "There is no reload; its place is taken by services restart, or by a signal of your own.",
    "ExecCondition": _CONDITION,
    "PIDFile": "The process that is started is the service: let it stay in the foreground.",
    "GuessMainPID": "The process that is started is the service: let it stay in the foreground.",
    "ExitType": "A service has ended when its main process has; the rest of its tree is ended then.",
    "PermissionsStartOnly": "All its commands run as the user of the service.",
    "RootDirectoryStartOnly": _FILE_SYSTEM,
    "NonBlocking": _SOCKETS,
    "Sockets": _SOCKETS,
    "FileDescriptorStoreMax": _SOCKETS,
    "FileDescriptorStorePreserve": _SOCKETS,
    "OpenFile": _SOCKETS,
    "ExtraFileDescriptors": _SOCKETS,
    "BusName": "A name on the bus does not tell that it is ready. Use ready_kind notify, tcp, http or log.",
    "NotifyAccess": "Each process of the service may speak to the socket in NOTIFY_SOCKET.",
    "USBFunctionDescriptors": _SOCKETS,
    "USBFunctionStrings": _SOCKETS,
    "RestartMode": "A restart is one step; what depends on the service is not told of it.",
    "RestartSteps": "Delays double from backoff_base_seconds up to backoff_cap_seconds.",
    "RestartForceExitStatus": "Only the restart policy decides. Take these codes out of success_exit_codes.",
    "RestartKillSignal": "A restart stops it as a stop does, by stop_signal.",
    "FinalKillSignal": "What does not end in time gets SIGKILL.",
    "WatchdogSignal": "A service that falls silent is stopped as by a restart, by stop_signal.",
    "SendSIGHUP": "It gets the stop signal and no other.",
    "SendSIGKILL": "What does not end in time is always killed.",
    "SurviveFinalKillSignal": "What does not end in time is always killed.",
    "TimeoutAbortSec": "There is one time to stop: stop_timeout_seconds.",
    "TimeoutStartFailureMode": "A start that takes too long is stopped by stop_signal, then killed.",
    "TimeoutStopFailureMode": "What does not end in time is killed.",
    "RuntimeRandomizedExtraSec": "Ages vary by ten percent of themselves.",
    "ReloadSignal": "There is no reload.",
    "RefreshOnReload": "There is no reload.",
    "DynamicUser": "Accounts are not made. Create one and name it as user.",
    "SupplementaryGroups": "A service has the groups of its account: add the account to them (usermod -aG).",
    "SetLoginEnvironment": "HOME, USER, LOGNAME and SHELL are those of its account.",
    "IgnoreSIGPIPE": "SIGPIPE has its default in a service; ignore it in the program.",
    "StartLimitAction": _ACTION,
    "FailureAction": _ACTION,
    "SuccessAction": _ACTION,
    "FailureActionExitStatus": _ACTION,
    "SuccessActionExitStatus": _ACTION,
    "RebootArgument": _ACTION,
    "JobTimeoutRebootArgument": _ACTION,
    "OnFailure": "No other unit is started. Watch for failures by the API's stream /events/.",
    "OnSuccess": "No other unit is started. A service can depend on this one with the condition completed.",
    "Conflicts": _UNITS,
    "PartOf": "A restart of the other does not restart this one; they stop in the order of dependencies.",
    "PropagatesReloadTo": _UNITS,
    "PropagateReloadTo": _UNITS,
    "ReloadPropagatedFrom": _UNITS,
    "PropagateReloadFrom": _UNITS,
    "PropagatesStopTo": _UNITS,
    "StopPropagatedFrom": _UNITS,
    "JoinsNamespaceOf": _SANDBOX,
    "RequiresMountsFor": "Mounts are not waited for. Let pre_start_command test it: mountpoint -q PATH.",
    "WantsMountsFor": "Mounts are not waited for. Let pre_start_command test it: mountpoint -q PATH.",
    "StopWhenUnneeded": "A service stays up until somebody stops it.",
    "RefuseManualStart": _STARTED_BY_HAND,
    "RefuseManualStop": _STARTED_BY_HAND,
    "AllowIsolate": _UNITS,
    "IgnoreOnIsolate": _UNITS,
    "OnFailureIsolate": _UNITS,
    "DefaultDependencies": "There are no targets of the boot to depend on.",
    "CollectMode": "Declarations stay until they are deleted.",
    "SourcePath": "It is about the unit's file.",
    "Documentation": "There is no field for it. Add it to the description.",
    "RequiredBy": "It is started with the supervisor; declare a dependency where others need it.",
    "UpheldBy": "It is started with the supervisor.",
    "Alias": "A service has one key.",
    "Also": "Import those units along with this one.",
    "Persistent": "A time that passed while no supervisor ran is not made up for.",
    "WakeSystem": "The machine is not woken.",
    "AccuracySec": "It is started at its time, to the second.",
    "RandomizedDelaySec": "It is started at its time, to the second.",
    "RandomizedOffsetSec": "It is started at its time, to the second.",
    "FixedRandomDelay": "It is started at its time, to the second.",
    "RemainAfterElapse": "Declarations stay until they are deleted.",
    "DeferReactivation": "A time that comes while a process still runs is left out.",
    "OnClockChange": "It is not started by changes of the clock.",
    "OnTimezoneChange": "It is not started by changes of the time zone.",
    **dict.fromkeys(
        ["OnActiveSec", "OnBootSec", "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec"],
        "Times go by the clock here. Write a schedule such as */15 * * * *.",
    ),
}
OLD = frozenset({"RequiresOverridable", "RequisiteOverridable", "Capabilities", "BlockIOAccounting"})
_WHOLE_PATTERNS = tuple((re.compile(pattern), why) for why, pattern in _BY_PATTERN)
KNOWN = tuple(_BY_NAME)


def note(name: str, mapped: tuple[str, ...]) -> str:
    """Return why a setting is not taken over and what to do instead. Pure."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name in OLD:
        return _OLD
    for pattern, why in _WHOLE_PATTERNS:
        if pattern.fullmatch(name):
            return why
    near = difflib.get_close_matches(name, [*mapped, *KNOWN], n=1)
    return f"systemd knows no such setting; it is not taken over.{f' Is {near[0]} meant?' if near else ''}"


def is_known(name: str) -> bool:
    """Return whether it is a setting of systemd's that is known not to map. Pure."""
    return name in _BY_NAME or name in OLD or any(p.fullmatch(name) for p, _ in _WHOLE_PATTERNS)
