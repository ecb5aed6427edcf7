"""``docs/errors.md`` and ``manage.py errors`` have every code with its status, cause and remedy."""

import re

import pytest
from django.core.management import CommandError, call_command

from medimgr import error_tree
from medimgr.lib.problems import Problem
from monitoring.error_words import REASONS
from operations.words import error_sentences
from tests.running import ROOT

DOCUMENT = (ROOT / "docs/errors.md").read_text(encoding="utf-8")


def told(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    call_command("errors", *arguments)
    return capsys.readouterr().out


def test_the_tables_are_those_of_the_tree() -> None:
    tables = DOCUMENT[DOCUMENT.index("\n## ") + 1 :]
    assert tables == error_tree.as_markdown(), "Run manage.py errors --markdown, and put it there."


def test_every_code_that_an_operation_ends_with_is_in_it_with_the_words_of_the_pages() -> None:
    cells = {code: [cell.strip() for cell in line.split("|")] for code, line in _lines()}
    for code, sentence in error_sentences().items():
        assert sentence in cells[code], code


def _lines() -> list[tuple[str, str]]:
    return re.findall(r"^\| `([a-z0-9-]+)` \|(.*)\|$", DOCUMENT, re.MULTILINE)


def test_no_code_stands_twice() -> None:
    codes = [code for code, _ in _lines()]
    assert sorted(codes) == sorted(set(codes))
    assert len(codes) > 100


def test_the_command_explains_a_code(capsys: pytest.CaptureFixture[str]) -> None:
    text = told("target-busy", capsys=capsys)
    assert text.startswith("target-busy (Operation, status 409)\n")
    assert "What it means: Another operation on the same target" in text
    assert "What to do:    Wait until" in text


def test_the_command_explains_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys=capsys)
    kinds: list[type[Problem]] = [kind for kinds in error_tree.tree().values() for kind in kinds]
    assert all(f"\n{kind.code} (" in f"\n{text}" for kind in kinds)
    assert all(words in text for words in REASONS.values())


def test_a_code_that_there_is_not_is_told_with_the_nearest() -> None:
    with pytest.raises(CommandError, match=r"no code 'targt-busy'\. Did you mean target-busy\?"):
        call_command("errors", "targt-busy")
