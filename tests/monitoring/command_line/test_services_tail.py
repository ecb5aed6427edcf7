"""``services tail`` shows the end of a log."""

import pytest

from monitoring.models import Service
from tests.factories import make_node, make_service
from tests.monitoring.command_line.conftest import services

pytestmark = pytest.mark.django_db


def write_log(service: Service, text: str) -> None:
    service.log_path.parent.mkdir(parents=True, exist_ok=True)
    service.log_path.write_text(text, encoding="utf-8")


def test_the_last_lines_are_shown() -> None:
    write_log(make_service("talker"), "".join(f"line {number}\n" for number in range(50)))
    assert services("tail", "talker", "-n", "2").out == "line 48\nline 49\n"
    assert len(services("tail", "talker").lines) == 20
    assert services("tail", "talker", "-n", "0").out == ""


def test_a_service_that_wrote_nothing_yet_is_said() -> None:
    make_service("silent")
    shown = services("tail", "silent")
    assert shown.code == 1
    assert "silent has not written a log yet" in shown.err


def test_a_log_on_another_node_is_said() -> None:
    make_service("far", node=make_node("elsewhere"))
    shown = services("tail", "far")
    assert (shown.code, "The log of far is on node elsewhere." in shown.err) == (1, True)


def test_terminal_codes_of_a_log_do_not_reach_the_terminal() -> None:
    write_log(make_service("painter"), "\x1b[31mred\x1b[0m \x1b]0;title\x07done\n")
    assert services("tail", "painter").out == "red done\n"


def test_a_bad_number_of_lines_is_refused_in_words() -> None:
    assert "'many' is not a number of lines from 0 to 100000." in services("tail", "x", "-n", "many").err
