"""Asks once whether a service is well, in the way that its declaration names."""

import asyncio
import socket
import time
from dataclasses import dataclass

from monitoring.states import HealthKind
from monitoring.supervisor.commands import CommandRunner
from monitoring.supervisor.http_probe import Bad, Stage, close, connected, http_probe
from monitoring.supervisor.name_lookup import NameLookup
from monitoring.supervisor.silence import LogSilence, NoticeSilence
from monitoring.supervisor.spec import HealthCheck, ServiceSpec

_NEW_LOG = "has logged nothing"
_NO_WORD = "has not sent WATCHDOG=1"


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a probe found. ``hung``: the connection was accepted, but no answer came in time."""

    ok: bool
    hung: bool
    detail: str
    seconds: float
    """How long it took to know."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom a probe asks, and by what means."""

    spec: ServiceSpec
    run_id: str
    commands: CommandRunner
    names: NameLookup
    silence: LogSilence | NoticeSilence | None = None
    """For log and notify."""


async def probe(check: HealthCheck, asked: Asked) -> ProbeResult:
    """Probe once, within ``check.timeout`` seconds. Never raises; may be cancelled at any time.

    A command's time begins when it is started, not while it waits for its turn.
    """
    started = time.monotonic()
    deadline = asyncio.get_running_loop().time() + check.timeout
    stage = Stage()
    ok, hung = False, False
    try:
        detail = await _ask(check, asked, deadline, stage)
        ok = True
    except Bad as error:
        detail = str(error)
    except TimeoutError:
        hung = stage.accepted
        detail = _late(stage, check.timeout)
    except OSError as error:
        detail = _words(error)
    except Exception as error:  # a URL that nothing can be made of; a probe must not end its supervisor
        detail = f"cannot be probed: {error or type(error).__name__}"
    return ProbeResult(ok, hung, detail, (stage.answered_at or time.monotonic()) - started)


async def _ask(check: HealthCheck, asked: Asked, deadline: float, stage: Stage) -> str:
    match check.kind:
        case HealthKind.HTTP:
            return await http_probe(check.url, check.body, deadline, stage, asked.names)
        case HealthKind.TCP:
            return await _tcp(check.port, deadline, stage, asked.names)
        case HealthKind.EXEC:
            return await _exec(check, asked)
        case HealthKind.LOG | HealthKind.NOTIFY:
            return _silence(check, asked)
        case HealthKind.NONE:
            return "no check declared"


async def _tcp(port: int, deadline: float, stage: Stage, names: NameLookup) -> str:
    async with asyncio.timeout_at(deadline):
        _, writer = await connected("127.0.0.1", port, stage, names)
    await close(writer)
    return "accepts connections"


async def _exec(check: HealthCheck, asked: Asked) -> str:
    result = await asked.commands.run(asked.spec, asked.run_id, check.command, check.timeout)
    words = f"its probe {result.describe()}"
    if not result.ok:
        raise Bad(words)
    return words


def _silence(check: HealthCheck, asked: Asked) -> str:
    if asked.silence is None:
        raise Bad("nobody listens to it")
    seconds = asked.silence.seconds()
    log = check.kind is HealthKind.LOG
    if seconds >= check.silence:
        raise Bad(f"{_NEW_LOG if log else _NO_WORD} for {_span(seconds)}")
    if log:
        return f"has logged something within {_span(check.silence)}"
    said = isinstance(asked.silence, NoticeSilence) and asked.silence.said
    return "has sent WATCHDOG=1" if said else f"{_NO_WORD} yet"


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"


def _late(stage: Stage, timeout: float) -> str:
    if stage.looking_up:
        return f"its host name {stage.looking_up} could not be looked up within {timeout:g} s"
    return f"{'accepted but did not answer' if stage.accepted else 'did not accept'} within {timeout:g} s"


def _words(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "closed the connection without an answer"
    if isinstance(error, socket.gaierror):
        return f"its host name is not known ({error.strerror})"
    return f"cannot be reached: {error.strerror or error}"
