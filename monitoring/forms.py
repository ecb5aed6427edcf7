"""The forms in which services are declared."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError

from monitoring.declaration import cycle
from monitoring.form_fields import CommandField, NumbersField, VariablesField
from monitoring.models import Dependency, Service

if TYPE_CHECKING:
    ServiceModelForm = forms.ModelForm[Service]
    DependencyModelFormSet = forms.BaseInlineFormSet[Dependency, Service, forms.ModelForm[Dependency]]
else:
    ServiceModelForm = forms.ModelForm
    DependencyModelFormSet = forms.BaseInlineFormSet


def _wide(rows: int) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows, "class": "vLargeTextField", "spellcheck": "false"})


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
        help_text="Exit codes that are no failure, such as 0, 2.",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    ports = NumbersField(
        required=False,
        help_text="TCP ports that it listens on, such as 8001, 8002; checked before each start.",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )

    class Meta:
        model = Service
        exclude = ()

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
        """Raise ValidationError naming the circle, where there is one. One query."""
        super().clean()
        if any(self.errors):
            return
        key = self.instance.key
        edges: dict[str, set[str]] = {}
        others = Dependency.objects.exclude(service_id=self.instance.pk)
        for service, needed in others.values_list("service__key", "needs__key"):
            edges.setdefault(service, set()).add(needed)
        edges[key] = {needed.key for needed in self._needed()}
        circle = cycle(edges)
        if circle:
            raise ValidationError(
                f"These dependencies go round in a circle: {' → '.join(circle)}. "
                "None of them could ever start; remove one.",
                code="cycle",
            )

    def _needed(self) -> list[Service]:
        kept: list[dict[str, Any]] = [
            form.cleaned_data
            for form in self.forms
            if form.cleaned_data and not form.cleaned_data.get("DELETE")
        ]
        return [data["needs"] for data in kept if data.get("needs")]
