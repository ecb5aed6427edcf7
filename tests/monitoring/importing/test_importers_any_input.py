"""No text makes an importer fail but with words; what it writes itself it reads back."""

import configparser
import json
import shlex
import subprocess
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from monitoring.importers import formats, importing, json_places, supervisord_text, systemd_text
from monitoring.importers.commands import EmptyCommand, from_shell
from monitoring.importers.document import Document, Place
from monitoring.importers.faults import ImportProblem
from monitoring.importers.formats import FORMATS, Format
from monitoring.importers.shell_words import BrokenQuoting
from monitoring.importers.sources import Options, Source
from monitoring.importers.supervisord_lines import Sections, read_lines
from monitoring.models import Node, Service

PIECES = [
    "[", "]", "=", ":", "\n", " ", "\t", '"', "'", "\\", "%", "$", "{", "}", "(", ")", ";", "#", ",", "-",
    "@",
    "0", "7", "%(", ")s", ")d", "process_num", "here", "ENV_A", "${A}", "$PORT", "web: ",
    "[program:x]\n",
    "command=", "numprocs=", "environment=", "autorestart=", "startsecs=", "[group:g]\nprograms=x\n",
    "[supervisord]\n", "[include]\nfiles=", "[Service]\n", "ExecStart=", "Environment=", "Restart=", "Type=",
    "LimitNOFILE=", "LimitNICE=", "MemoryMax=", "TimeoutStopSec=", "KillSignal=", "SuccessExitStatus=",
    "[Unit]\n", "After=", "[Timer]\nOnCalendar=", '{"apps":[{"script":"a.js",', '"instances":', '"env":',
    '"args":', '"max_memory_restart":', "}]}", "max", "true", "infinity", "\\x41", "\\x00", "é", "𝄞",
]  # fmt: skip
wild = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=25).map("".join)
words = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12), max_size=5)
names = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,9}\Z")


def no_places(_path: tuple[str, ...]) -> Place:
    return Place("f", 0, "")


@pytest.mark.parametrize("kind", FORMATS)
@hypothesis_settings(max_examples=80)
@given(text=wild, variables=st.dictionaries(names, st.text(max_size=5), max_size=2))
@example(text="[program:x]\ncommand=%(process_num)999999999d\n", variables={})
@example(text='{"apps":[{"script":"a","instances":"999999999999"}]}', variables={})
@example(text="[program:x]\ncommand=a\nnumprocs=٣\n", variables={})
@example(text="[Service]\nExecStart=a\nNice=²\nLimitNICE=+\n", variables={})
def test_no_text_makes_an_importer_fail(kind: Format, text: str, variables: dict[str, str]) -> None:
    try:
        document = formats.read([Source("file", text, "/srv/app")], kind, Options(variables))
    except ImportProblem as problem:
        told = problem.faults
    else:
        told = document.faults
        assert document.services or told
        assert all(remark.message and remark.place.file for remark in document.remarks)
    for fault in told:
        assert fault.message
        assert 0 <= fault.line <= text.count("\n") + text.count("\r") + 1


@pytest.mark.django_db
@pytest.mark.both_databases
@hypothesis_settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(FORMATS), text=wild)
def test_no_text_makes_an_import_fail_but_with_faults(kind: Format, text: str) -> None:
    try:
        importing.import_sources([Source("file", text, "/")], kind, Options(), node="here")
    except ImportProblem:
        assert not Service.objects.exists()
        assert not Node.objects.exists()
    Service.objects.all().delete()
    Node.objects.all().delete()


@given(text=wild)
def test_any_text_has_a_format_or_none(text: str) -> None:
    assert formats.guess(Source("the text", text)) in (*FORMATS, None)


@given(variables=st.dictionaries(names, st.text(st.characters(exclude_categories=["Cs"]), max_size=15)))
def test_variables_of_supervisor_come_back(variables: dict[str, str]) -> None:
    try:
        text = supervisord_text.environment_text(variables)
    except supervisord_text.BadValue:
        # Supervisor cannot write both kinds of quotes, nor one at an end.
        assert any(("'" in v and '"' in v) or v != v.strip("'\"") for v in variables.values())
        return
    assert supervisord_text.environment(text) == variables


@given(words=words)
def test_words_of_a_unit_come_back(words: list[str]) -> None:
    assert [piece.text for piece in systemd_text.split(systemd_text.quote(words))] == words


@given(words=words)
def test_a_quoted_command_is_the_same_without_a_shell(words: list[str]) -> None:
    assert from_shell(shlex.join(["prog", *words]), {}).arguments == ["prog", *words]


@hypothesis_settings(max_examples=40)
@given(line=st.lists(st.sampled_from(list("ab $'\"\\=#-{}:~AB")), min_size=1, max_size=14).map("".join))
@example(line="a $A\"$B\"'$A'x")
@example(line="A=1 a $A")
def test_what_runs_without_a_shell_is_what_a_shell_would_run(line: str) -> None:
    env = {"A": "1 2", "B": "x"}
    line = f"printf %s\\\\0 {line}"
    try:
        command = from_shell(line, env)
    except (BrokenQuoting, EmptyCommand):
        return
    if command.needs_shell:
        return
    ran = subprocess.run(
        ["/bin/sh", "-c", line], env={**env, "PATH": "/usr/bin:/bin"}, capture_output=True, check=True
    )
    said = ran.stdout.decode().split("\0")[:-1]
    assert command.arguments[2:] == (said if command.arguments[2:] or said != [""] else [])


@given(text=st.text(alphabet="[]ab=:;# \n\t%x\r", max_size=40))
def test_lines_are_read_as_supervisor_reads_them(text: str) -> None:
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    parser = configparser.RawConfigParser(
        strict=False, inline_comment_prefixes=(";", "#"), default_section="no such"
    )
    document, sections = Document("f", no_places), Sections()
    read_lines("f", text, document, sections, "")
    try:
        parser.read_string(plain)
    except configparser.Error:
        assert document.faults
        return
    assert document.faults == []
    found = {name: {o.name: o.value for o in s.options.values()} for name, s in sections.items()}
    assert found == {name: dict(parser.items(name)) for name in parser.sections()}


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(st.characters(codec="utf-8")),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    )
)
def test_json_is_json(value: Any) -> None:
    text = json.dumps(value, indent=1)
    if "\\u0000" in text:
        with pytest.raises(json_places.BadJson, match="NUL"):
            json_places.parse(text)
        return
    if "\\ud" in text:
        text = json.dumps(value, indent=1, ensure_ascii=False)
    assert json_places.parse(text).value == value


@given(text=st.text(alphabet='{}[]:,"ab1-.e \\\n/*', max_size=30))
def test_what_is_no_json_is_told_with_its_line(text: str) -> None:
    line = 1
    try:
        json_places.parse(text)
    except json_places.BadJson as bad:
        line = bad.line
    assert 1 <= line <= text.count("\n") + 1
