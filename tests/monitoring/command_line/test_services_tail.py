"""``services tail`` shows the end of a log."""

import threading

import pytest

from monitoring.command_line import log_tail
from monitoring.models import Service
from monitoring.supervisor.log_rotation import rotate
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


def test_the_last_lines_with_a_text_come_from_the_archives_too() -> None:
    service = make_service("searched")
    write_log(service, "".join(f"line {number}\n" for number in range(20_000)))
    assert rotate(service.log_path, max_bytes=10_000, keep=3)
    assert services("tail", "searched", "--search", "LINE 77").lines[-1] == "line 7799"
    assert services("tail", "searched", "--search", "line 7 ", "-n", "5").out == ""
    assert services("tail", "searched", "--search", "line 12", "-n", "2").out == "line 12998\nline 12999\n"
    assert len(services("tail", "searched", "-n", "15000").lines) == 15_000


def test_stderr_is_shown_where_it_is_apart() -> None:
    service = make_service("two-voiced", log_stderr_apart=True)
    write_log(service, "out\n")
    service.stderr_path.write_text("err\n")
    assert services("tail", "two-voiced", "--stderr").out == "err\n"
    assert services("tail", "two-voiced").out == "out\n"


def test_what_is_added_is_followed_across_rotations_and_only_what_is_wanted_is_shown() -> None:
    """Scenario 23."""
    service = make_service("followed")
    write_log(service, "known\n")
    place = log_tail.show(service, log_tail.Wanted(0), lambda _: None, lambda _: None)
    shown: list[str] = []
    lines = [f"line {number} {'odd' if number % 2 else 'even'}\n" for number in range(9000)]

    class Enough(Exception):
        pass

    def write(text: str) -> None:
        shown.append(text)
        if "line 8999" in text:
            raise Enough

    def add() -> None:
        for begin in range(0, 9000, 1000):
            with service.log_path.open("a") as log:
                log.write("".join(lines[begin : begin + 1000]))
            rotate(service.log_path, max_bytes=10_000, keep=100)

    adding = threading.Thread(target=add)
    adding.start()
    with pytest.raises(Enough):
        log_tail.follow(service, log_tail.Wanted(0, search="ODD"), place, write, shown.append)
    adding.join()
    assert "".join(shown) == "".join(lines[1::2])
