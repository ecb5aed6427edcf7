"""The form in which a scope is set: groups and tags that there are to tick, others to write."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError

from medimgr.accounts.models import AccountScope
from medimgr.accounts.scope_choices import Kind, offered

if TYPE_CHECKING:
    ScopeModelForm = forms.ModelForm[AccountScope]
else:
    ScopeModelForm = forms.ModelForm

LONGEST = 63
"""Characters; as long as the group of a service may be."""
MOST = 100
"""Words of one kind."""


class WordsWidget(forms.MultiWidget):
    """Boxes for the words that are in use, and lines for others."""

    def __init__(self) -> None:
        lines = forms.Textarea(attrs={"rows": 2, "class": "vLargeTextField", "spellcheck": "false"})
        super().__init__({"known": forms.CheckboxSelectMultiple(), "others": lines})

    def decompress(self, value: Any) -> list[Any]:
        """Return what is ticked, and the lines. Upper and lower case are the same."""
        boxes: Any = self.widgets[0]
        known = {choice.casefold(): choice for choice, _ in boxes.choices}
        words = {word.casefold(): word for word in value or []}
        return [[known[word] for word in words if word in known], _lines(words, known)]


def _lines(words: Mapping[str, str], known: Mapping[str, str]) -> str:
    return "\n".join(word for folded, word in words.items() if folded not in known)


class WordsField(forms.MultiValueField):
    """A list of words: some of those in use, and others that may come into use."""

    widget = WordsWidget

    def __init__(self, kind: Kind, **options: Any) -> None:
        self.kind = kind
        fields = (
            forms.MultipleChoiceField(required=False),
            forms.CharField(required=False, strip=True, max_length=MOST * (LONGEST + 2)),
        )
        super().__init__(fields, required=False, require_all_fields=False, **options)

    def prepare_value(self, value: Any) -> Any:
        """Return stored words as the widget takes them; what was typed comes as it takes it already."""
        stored = isinstance(value, list) and all(isinstance(word, str) for word in value)
        widget: Any = self.widget
        return widget.decompress(value) if stored else value

    def offer(self) -> None:
        """Offer what is in use now. One query."""
        choices = [(word, word) for word in offered(self.kind)]
        field: Any = self.fields[0]
        boxes: Any = self.widget.widgets[0]
        field.choices = boxes.choices = choices

    def compress(self, data_list: Any) -> list[str]:
        """Return the words, each once, by the alphabet. Raises ValidationError."""
        known, others = data_list or ([], "")
        words = sorted(
            {*(known or []), *(line.strip() for line in (others or "").splitlines() if line.strip())}
        )
        for word in words:
            if len(word) > LONGEST or not word.isprintable():
                raise ValidationError(
                    f"{word[:LONGEST]!r} can't be one: {LONGEST} characters at most, all to be seen."
                )
        if len(words) > MOST:
            raise ValidationError(f"There are {len(words)}; {MOST} at most.")
        return words

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether the words differ."""
        try:
            return bool(sorted(initial or []) != self.clean(data))
        except ValidationError:
            return True


class ScopeForm(ScopeModelForm):
    """A scope."""

    service_groups = WordsField(
        "service_groups",
        label="Groups of services",
        help_text="Others may be written, one a line. Upper and lower case are the same.",
    )
    workstation_tags = WordsField(
        "workstation_tags",
        label="Tags of workstations",
        help_text="Others may be written, one a line.",
    )

    class Meta:
        model = AccountScope
        fields = ("service_groups", "workstation_tags", "sees_everything")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("service_groups", "workstation_tags"):
            field = self.fields[name]
            if isinstance(field, WordsField):
                field.offer()
