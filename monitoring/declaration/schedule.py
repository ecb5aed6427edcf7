"""Rules for services that run at set times, and for those that wait for them."""

from collections.abc import Iterable, Mapping

from monitoring.declaration.declared import Declared
from monitoring.declaration.values import is_text, is_whole
from monitoring.states import Condition
from monitoring.supervisor import schedule

_EVERY_MINUTE = "* * * * *"


def faults(declared: Declared) -> Iterable[tuple[str, str]]:
    """Yield field and message of each fault."""
    expression, zone = declared.schedule, declared.schedule_time_zone
    if zone:
        known = is_text(zone)
        for fault in (
            schedule.faults(_EVERY_MINUTE, zone) if known else ["Write a text, such as Europe/Berlin."]
        ):
            yield "schedule_time_zone", fault
    if not expression:
        return
    if not is_text(expression):
        yield "schedule", "Write a cron expression, such as 30 2 * * 1-5."
        return
    for fault in schedule.faults(expression, ""):
        yield "schedule", fault
    if is_whole(declared.instances) and declared.instances > 1:
        yield (
            "instances",
            "A service with a schedule runs once at a time. Set the instances to 1, or clear the schedule.",
        )


def dependency_faults(conditions: Mapping[str, str], scheduled: Iterable[str]) -> dict[str, str]:
    """Return, by key of the service that is needed, why waiting for it under its condition makes no sense.

    ``conditions``: what each needed service has to be; ``scheduled``: the keys of those with a schedule.
    Such a service runs at its times alone, so that whoever needs it running would wait most of the time.
    """
    at_times = set(scheduled)
    return {
        key: f"{key} runs by a schedule and ends each time: wait for it with the condition "
        f"{Condition.COMPLETED.value!r}, or remove the dependency."
        for key, condition in conditions.items()
        if key in at_times and condition != Condition.COMPLETED
    }
