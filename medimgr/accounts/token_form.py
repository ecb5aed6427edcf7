"""The admin's form for a new machine token. Nobody gives by a token what he has not got himself."""

from typing import Any

from django import forms
from django.contrib.auth.models import Permission, User

from medimgr.accounts import machine_tokens
from medimgr.accounts.machine_tokens import Issued, Issuer
from medimgr.lib.access import scope_of
from medimgr.lib.roles import Role, permissions_of
from medimgr.lib.scope import group_label, tag_labels

_NO_ROLE = ("", "none: the permissions below alone")


class MachineTokenForm(forms.Form):
    """What a token is for, as whom it acts, what it may do, for how long."""

    name = forms.CharField(max_length=100, help_text="What it is for. Names are never used twice.")
    user = forms.ModelChoiceField(
        User.objects.none(),
        label="Acts as",
        help_text="What this account may not do, the token does not give. It ends with the account.",
    )
    role = forms.ChoiceField(
        choices=[_NO_ROLE, *((str(role), str(role)) for role in Role)],
        required=False,
        help_text="All that this role may do.",
    )
    permissions = forms.MultipleChoiceField(
        required=False,
        widget=forms.SelectMultiple(attrs={"size": 12}),
        help_text="Beside those of the role. Those that you have yourself.",
    )
    groups = forms.CharField(
        required=False,
        max_length=1000,
        label="Service groups",
        help_text="Separated by commas. Where groups or tags are named, the token reaches nothing else.",
    )
    tags = forms.CharField(
        required=False, max_length=1000, label="Workstation tags", help_text="Separated by commas."
    )
    expires_days = forms.IntegerField(
        required=False,
        initial=365,
        min_value=1,
        max_value=machine_tokens.LONGEST_DAYS,
        label="Expires after",
        help_text="Days. Empty: never.",
    )

    def __init__(self, asking: User, data: Any = None) -> None:
        """Offer to ``asking`` what he may give. Three queries."""
        super().__init__(data)
        self._asking = asking
        people = User.objects.filter(is_active=True, is_staff=True).order_by("username")
        accounts: Any = self.fields["user"]
        accounts.queryset = people if asking.is_superuser else people.filter(is_superuser=False)
        self._own = asking.get_all_permissions()
        permissions: Any = self.fields["permissions"]
        permissions.choices = [(name, f"{words} ({name})") for name, words in _named() if name in self._own]

    def clean(self) -> dict[str, Any]:
        """Refuse what would give more than ``asking`` has."""
        found = super().clean() or {}
        wanted = set(found.get("permissions", ()))
        if found.get("role"):
            wanted |= permissions_of(Role(found["role"]))
        found["wanted"] = wanted
        lacking = sorted(wanted - self._own)
        if lacking:
            self.add_error("role", f"You have not yourself what this gives: {', '.join(lacking)}.")
        if not wanted:
            self.add_error("role", "Choose a role or a permission: a token without any opens nothing.")
        found["groups"], found["tags"] = _words(found.get("groups", "")), _words(found.get("tags", ""))
        labels = tag_labels(found["tags"]).union(*map(group_label, found["groups"]))
        reach = scope_of(self._asking).labels
        if reach is not None and not (labels and labels <= reach):
            self.add_error(
                "groups",
                "Your account is limited to certain groups and tags. Name some of them for the token.",
            )
        return found

    def issue(self, issuer: Issuer) -> Issued:
        """Issue the token that a valid form describes. Raises BadToken, TokenNameTaken."""
        given = self.cleaned_data
        return machine_tokens.issue(
            given["name"],
            given["user"],
            issuer,
            permissions=given["wanted"],
            groups=given["groups"],
            tags=given["tags"],
            days=given["expires_days"],
        )

    def show(self, faults: dict[str, list[str]], detail: str) -> None:
        """Show what was found wrong at the issuing at the fields that it is about, or above all."""
        for field, texts in faults.items():
            self.add_error(field if field in self.fields else None, texts)
        if not faults:
            self.add_error("name", detail)


def _named() -> list[tuple[str, str]]:
    rows = Permission.objects.order_by("content_type__app_label", "codename")
    found = rows.values_list("content_type__app_label", "codename", "name")
    return [(f"{app}.{codename}", words) for app, codename, words in found]


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
