"""``services start``, ``stop`` and ``restart``: ask the supervisors, and wait for what comes of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils import timezone

from monitoring.actions import ENDS_A_PROCESS, Refusal, Verb, request_actions
from monitoring.command_line.waiting import Say, wait
from monitoring.exceptions import NoSupervisor, NotConfirmed
from monitoring.models import Node, Service
from operations.exceptions import NotDone
from operations.shell_requester import requester


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants, from the command line."""

    verb: Verb
    services: Sequence[Service]
    reason: str = ""
    force: bool = False
    rolling: bool = False
    confirmed: bool = False
    wait: bool = True
    timeout: float = 300.0
    """Seconds to wait."""


def carry_out(order: Order, say: Say, confirm: Callable[[str], bool]) -> None:
    """Request the actions, wait where wanted, and tell what happens through ``say``.

    ``confirm`` asks a person a question. Raises NotConfirmed, NoSupervisor (nothing was requested),
    NotDone (something was refused, failed, or has not ended in time).
    """
    _check_confirmed(order, confirm)
    _check_supervised(order, say)
    asked = request_actions(
        order.services,
        order.verb,
        requester(),
        reason=order.reason,
        force=order.force,
        rolling=order.rolling,
    )
    for refusal in asked.refused:
        say(f"{refusal.service}: refused ({refusal.code}). {refusal.detail}", bad=True)
    if not order.wait:
        for operation in asked.operations:
            say(f"{operation.target_key}: {order.verb} requested as operation {operation.pk}.")
    done = wait(asked.operations, order.verb, order.timeout, say) if order.wait else len(asked.operations)
    if done < len(order.services):
        raise NotDone(_shortfall(order, done, asked.refused))


def _shortfall(order: Order, done: int, refused: Sequence[Refusal]) -> str:
    total = len(order.services)
    if len(refused) == total:
        return (
            f"Nothing was requested: {'the' if total == 1 else 'every'} {order.verb} was refused, see above."
        )
    done_words = {"start": "started", "stop": "stopped", "restart": "restarted"}.get(order.verb, "done")
    return f"{done} of {total} services {'was' if done == 1 else 'were'} {done_words}; see above."


def _check_confirmed(order: Order, confirm: Callable[[str], bool]) -> None:
    """Raise NotConfirmed unless every warning has been taken notice of."""
    if order.verb not in ENDS_A_PROCESS or order.confirmed:
        return
    warnings = [f"{service.key}: {service.warning}" for service in order.services if service.warning]
    if not warnings:
        return
    told = "\n".join(f"  {warning}" for warning in warnings)
    if not confirm(f"{told}\n{order.verb.capitalize()} all the same? [y/N] "):
        raise NotConfirmed(
            f"Nothing was requested. This has to be confirmed, with --yes or at a terminal:\n{told}"
        )


def _check_supervised(order: Order, say: Say) -> None:
    """Raise NoSupervisor where waiting would be in vain; where nobody waits, say so and go on."""
    now = timezone.now()
    silent = [
        node
        for node in Node.objects.filter(services__in=[s.pk for s in order.services]).distinct()
        if not node.is_supervised(now)
    ]
    for node in silent:
        last = (
            f"the last report was at {node.heartbeat_at:%H:%M:%S %Z}"
            if node.heartbeat_at
            else "none ever has"
        )
        told = f"No supervisor reports for node {node.name}; {last}."
        if order.wait:
            raise NoSupervisor(
                f"{told} Nothing was requested. Start one there with manage.py up, or give --no-wait "
                "to leave the request for one that starts within five minutes."
            )
        say(f"{told} The request waits for one, five minutes at most.", bad=True)
