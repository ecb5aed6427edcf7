"""The forms in which services are declared."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError

from medimgr.lib.access import Person, scope_of
from medimgr.lib.scope import group_label
from monitoring.declaration import cycle, default_success_codes, dependency_faults
from monitoring.form_fields import (
    CommandField,
    LimitsField,
    NumbersField,
    SignalsField,
    VariablesField,
)
from monitoring.models import Dependency, Service

if TYPE_CHECKING:
    ServiceModelForm = forms.ModelForm[Service]
    DependencyModelFormSet = forms.BaseInlineFormSet[Dependency, Service, forms.ModelForm[Dependency]]
else:
    ServiceModelForm = forms.ModelForm
    DependencyModelFormSet = forms.BaseInlineFormSet


def _wide(rows: int) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows, "class": "vLargeTextField", "spellcheck": "false"})


def _line() -> forms.TextInput:
    return forms.TextInput(attrs={"class": "vTextField", "spellcheck": "false"})


def _hook(help_text: str) -> CommandField:
    return CommandField(required=False, widget=_wide(1), help_text=help_text)


class ServiceForm(ServiceModelForm):
    """A service, with its command as one types it and its variables one a line."""

    command = CommandField(
        widget=_wide(2),
        help_text="The program and its arguments, with quotes as in a shell. It runs without one: "
        "no variable, pipe or wildcard is expanded.",
    )
    env = VariablesField(
        label="Environment",
        required=False,
        widget=_wide(4),
        help_text="One NAME=value a line. Only people who may change services see the values.",
    )
    success_exit_codes = NumbersField(
        required=False,
        initial=default_success_codes,
        help_text="Exit codes that are no failure, such as 0, 2.",
        widget=_line(),
    )
    ports = NumbersField(
        required=False,
        help_text="TCP ports that it listens on, such as 8001, 8002; checked before each start.",
        widget=_line(),
    )
    fatal_exit_codes = NumbersField(
        required=False,
        help_text="Exit codes after which it is not restarted, such as 78.",
        widget=_line(),
    )
    success_signals = SignalsField(
        required=False,
        help_text="Signals that are no failure when it ends by them, such as SIGTERM, SIGINT.",
        widget=_line(),
    )
    rlimits = LimitsField(
        label="Resource limits",
        required=False,
        widget=_wide(3),
        help_text="One NAME=soft or NAME=soft:hard a line, as in prlimit(1): "
        "nofile=1024:4096, core=unlimited.",
    )
    stop_command = _hook("Asks it to end, before any signal. Typed as in a shell, as all commands here.")
    pre_start_command = _hook("Runs before each start; where it fails, so does the start.")
    post_start_command = _hook("Runs once it is ready. A failure is told, and no more.")
    pre_stop_command = _hook("Runs before it is asked to stop. Where it fails, it is stopped all the same.")
    post_stop_command = _hook("Runs once nothing is left of it, however it ended.")
    health_command = _hook("For exec: healthy where this command ends with 0; its output is told.")

    asking: Person | None = None
    """Who fills it in; None: nobody who is limited to some groups."""

    class Meta:
        model = Service
        exclude = ()
        labels = {
            "user_group": "Group of the account",
            "schedule_time_zone": "Time zone of the schedule",
            "ready_url": "Ready URL",
            "stop_url": "Stop URL",
            "health_url": "Health URL",
            "log_max_mb": "Largest log (MB)",
            "log_keep": "Archives kept",
            "log_stderr_apart": "Standard error apart",
        }

    def clean_group(self) -> str:
        """Refuse a group in which the service would be out of the reach of who declares it."""
        group = str(self.cleaned_data["group"])
        if self.asking is not None and not scope_of(self.asking).reaches(group_label(group)):
            raise ValidationError(
                "Your account is limited to certain groups, and this is none of them. Choose one of yours."
            )
        return group

    def add_error(self, field: str | None, error: Any) -> None:
        """Add an error, unless the field already says what is wrong with it.

        A field that could not be read leaves nothing in the row, and the declaration's rules would
        complain about that once more.
        """
        if isinstance(error, ValidationError) and hasattr(error, "error_dict"):
            fresh = {name: found for name, found in error.error_dict.items() if name not in self.errors}
            if not fresh:
                return
            error = ValidationError(fresh)
        super().add_error(field, error)


class DependencyFormSet(DependencyModelFormSet):
    """What one service needs, without going round in a circle."""

    def clean(self) -> None:
        """Raise ValidationError naming a circle, or a condition that makes no sense. One query."""
        super().clean()
        if any(self.errors):
            return
        conditions = {needed.key: condition for needed, condition in self._needed()}
        scheduled = [needed.key for needed, _ in self._needed() if needed.schedule]
        senseless = dependency_faults(conditions, scheduled)
        if senseless:
            raise ValidationError(list(senseless.values()), code="condition")
        key = self.instance.key
        edges: dict[str, set[str]] = {}
        others = Dependency.objects.exclude(service_id=self.instance.pk)
        for service, needed in others.values_list("service__key", "needs__key"):
            edges.setdefault(service, set()).add(needed)
        edges[key] = set(conditions)
        circle = cycle(edges)
        if circle:
            raise ValidationError(
                f"These dependencies go round in a circle: {' → '.join(circle)}. "
                "None of them could ever start; remove one.",
                code="cycle",
            )

    def _needed(self) -> list[tuple[Service, str]]:
        kept: list[dict[str, Any]] = [
            form.cleaned_data
            for form in self.forms
            if form.cleaned_data and not form.cleaned_data.get("DELETE")
        ]
        return [(data["needs"], data.get("condition", "")) for data in kept if data.get("needs")]
