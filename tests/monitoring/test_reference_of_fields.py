"""docs/services.md names every field of a declaration with its default, and its examples can be imported."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from django.db import models

from monitoring.importers.document import FIELDS
from monitoring.importers.toml_types import type_fault
from monitoring.models import Node

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/services.md").read_text(encoding="utf-8")
ROWS: dict[str, tuple[str, str, str]] = {
    name: (default.strip(), meaning.strip(), example.strip())
    for name, default, meaning, example in re.findall(
        r"^\| `(\w+)` \|([^|]*)\|(.*)\|(.*)\|$", TEXT, flags=re.MULTILINE
    )
}
NOT_OF_THE_MODEL = {"key", "depends_on", "env_kept"}


def plain(value: Any) -> Any:
    """Return 30 for 30.0: both are the same to whoever writes it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def test_every_field_is_told_and_nothing_else() -> None:
    assert set(ROWS) == set(FIELDS) | NOT_OF_THE_MODEL


@pytest.mark.parametrize("name", sorted(set(FIELDS) - {"name", "command"}))
def test_its_default_is_the_model_s(name: str) -> None:
    written = ROWS[name][0]
    default = FIELDS[name].get_default()
    if default is None:
        assert written == "absent"
        return
    value = tomllib.loads(f"x = {written.strip('`')}")["x"]
    default = str(default) if isinstance(default, str) else plain(default)
    assert (value, type(value)) == (default, type(default))


@pytest.mark.parametrize("name", sorted(ROWS))
def test_it_has_a_meaning_and_an_example_of_its_type(name: str) -> None:
    _, meaning, example = ROWS[name]
    assert len(meaning) > 10
    assert meaning.endswith(".")
    written = example.strip("`")
    if name == "key":
        return
    value = tomllib.loads(written)
    assert list(value) == [name]
    assert type_fault(name, value[name]) == ""
    field = FIELDS.get(name)
    if isinstance(field, models.FloatField | models.IntegerField):
        field.run_validators(value[name])


def test_the_settings_of_a_node_are_told() -> None:
    for field in ("start_concurrency", "log_budget_mb"):
        assert isinstance(Node._meta.get_field(field), models.IntegerField)
        assert f"`{field}`" in TEXT


def test_the_words_of_choices_are_told() -> None:
    for name, field in FIELDS.items():
        for value, _ in field.choices or ():
            assert f'"{value}"' in "".join(ROWS[name]), f"{name}: {value}"
