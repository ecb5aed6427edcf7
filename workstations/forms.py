"""The form in which workstations are declared. It takes a password and never shows one."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError

from medimgr.lib.access import Person, scope_of
from medimgr.lib.scope import tag_labels
from medimgr.lib.sealing import NoKey, sealed
from workstations.declaring import DECLARED, duplicates
from workstations.models import Workstation
from workstations.passwords import password_fault

if TYPE_CHECKING:
    WorkstationModelForm = forms.ModelForm[Workstation]
else:
    WorkstationModelForm = forms.ModelForm


class TagsField(forms.CharField):
    """Words with commas or spaces between them."""

    def prepare_value(self, value: Any) -> Any:
        """Return tags as they are typed."""
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """Return what was typed as a list of words."""
        return sorted({*(super().to_python(value) or "").replace(",", " ").split()})

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether the words differ."""
        return bool(sorted(initial or []) != self.to_python(data))


class WorkstationForm(WorkstationModelForm):
    """A workstation with tags as words; its password goes in and never comes out."""

    tags = TagsField(
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField", "spellcheck": "false"}),
        help_text="Words to select it by, such as hall-2, night.",
    )
    password = forms.CharField(
        required=False,
        strip=False,
        # As text it would stand in the page again after an error.
        widget=forms.PasswordInput(
            render_value=False, attrs={"class": "vTextField", "autocomplete": "new-password"}
        ),
        help_text="Stored encrypted, and never shown again.",
    )
    remove_password = forms.BooleanField(
        label="Take the stored password away", required=False, help_text="It can't be logged in to then."
    )

    asking: Person | None = None
    """Who fills it in; None: nobody who is limited to some tags."""

    class Meta:
        model = Workstation
        fields = DECLARED
        widgets = {
            "ca_certificates": forms.Textarea(
                attrs={"rows": 4, "class": "vLargeTextField", "spellcheck": "false"}
            ),
            # Browsers put the account of who sits there into a field before a password.
            "username": forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding and "password" in self.fields:
            self.fields["password"].help_text += (
                " Leave it empty to keep the one that is stored. Where host or port change or TLS is turned "
                "off it is taken away, unless you type it anew."
            )

    def clean_tags(self) -> list[str]:
        """Refuse tags with which the workstation would be out of the reach of who declares it."""
        tags: list[str] = self.cleaned_data["tags"]
        if self.asking is not None and not scope_of(self.asking).reaches(tag_labels(tags)):
            raise ValidationError(
                "Your account is limited to certain tags, and none of them is here. Write one of yours."
            )
        return tags

    def clean_password(self) -> str:
        """Refuse what can't be stored, without repeating it."""
        password = str(self.cleaned_data["password"])
        fault = password_fault(password)
        if not fault and password:
            try:
                sealed(password)
            except NoKey as problem:
                fault = problem.detail
        if fault:
            raise ValidationError(fault)
        return password

    def clean(self) -> dict[str, Any] | None:
        """Refuse a password that is given and taken away at once."""
        cleaned = super().clean()
        if self.cleaned_data.get("password") and self.cleaned_data.get("remove_password"):
            self.add_error("remove_password", "A new password is typed above. Do one or the other.")
        return cleaned

    def validate_unique(self) -> None:
        """Refuse what another workstation has already, and name that. Two queries."""
        for field, texts in duplicates(self.instance, self.asking).items():
            if field not in self.errors:
                self.add_error(field, list(texts))

    def validate_constraints(self) -> None:
        """Leave that to :meth:`validate_unique`, which says it in better words."""

    def new_password(self) -> str | None:
        """Return the password to store, empty to take it away, None to keep what is stored."""
        if self.cleaned_data.get("remove_password"):
            return ""
        return self.cleaned_data.get("password") or None

    def declared(self) -> dict[str, Any]:
        """Return what was changed of the declaration; of a new workstation all of it."""
        said = self.cleaned_data if self.instance._state.adding else self.changed_data
        return {name: self.cleaned_data[name] for name in DECLARED if name in said}
