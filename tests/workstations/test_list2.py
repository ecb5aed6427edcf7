"""What ``list2`` prints is read as it was meant, whatever titles people have given."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.workstations.peer import Instance as Simulated
from workstations.exceptions import OutputNotUnderstood
from workstations.ldplayer.list2 import Instance, parse, state_of
from workstations.states import EmulatorState

TITLES = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=70)
AWKWARD = st.lists(st.sampled_from([",", "0", "-1", "1,", ",,", " ", "'", '"', "雷电", "\x85", "a"])).map(
    "".join
)
PROCESSES = st.integers(1, 99_999)


@st.composite
def simulated(draw: st.DrawFn) -> Simulated:
    """An instance in any of the states that they have."""
    instance = Simulated(
        draw(TITLES | AWKWARD),
        draw(st.integers(0, 400)),
        width=draw(st.integers(1, 4000)),
        height=draw(st.integers(1, 4000)),
        dpi=draw(st.integers(1, 640)),
    )
    if draw(st.booleans()):
        instance.begin(draw(PROCESSES))
        if draw(st.booleans()):
            instance.android, instance.vbox_pid = 1, draw(st.just(-1) | PROCESSES)
    return instance


FLEETS = st.lists(simulated(), max_size=12, unique_by=lambda one: one.index)


def printed(fleet: list[Simulated], columns: int, end: str = "\r\n") -> str:
    return "".join(one.line(columns) + end for one in fleet)


def meant(one: Simulated, columns: int) -> Instance:
    size = (one.width, one.height, one.dpi) if columns == 10 else (None, None, None)
    android = one.android if columns == 10 else int(one.android == 1)
    return Instance(
        one.index, one.title, one.top_window, one.bind_window, android, one.pid, one.vbox_pid, *size
    )


@given(FLEETS, st.sampled_from(["\r\n", "\n"]))
def test_ten_columns_are_read_back_with_arbitrary_titles(fleet: list[Simulated], end: str) -> None:
    assert parse(printed(fleet, 10, end)) == [meant(one, 10) for one in fleet]


@given(FLEETS)
def test_seven_columns_are_read_back_unless_their_titles_pass_for_columns(fleet: list[Simulated]) -> None:
    # A title as "a,1,2,0" makes seven columns look like ten: such a list alone can't be told apart.
    ends = [one.title.rsplit(",", 3)[1:] for one in fleet]
    assume(not fleet or any(len(end) < 3 or not "".join(end).lstrip("-").isdigit() for end in ends))
    assert parse(printed(fleet, 7)) == [meant(one, 7) for one in fleet]


@given(st.text(st.sampled_from("0123456789,-ab\r\n 雷"), max_size=200))
def test_nothing_but_a_list_or_a_named_line_comes_of_any_text(text: str) -> None:
    lines = [line for line in text.split("\n") if line.strip()]
    outcome: list[Instance] | str
    try:
        outcome = parse(text)
    except OutputNotUnderstood as failure:
        outcome = failure.detail
    assert outcome.startswith("Line") if isinstance(outcome, str) else len(outcome) == len(lines)


def test_samples_of_real_hosts_are_read() -> None:
    (old,) = parse("0,LDPlayer,2032678,1704928,1,7456,3500\r\n")
    assert (old.title, old.android, old.pid, old.vbox_pid, old.width) == ("LDPlayer", 1, 7456, 3500, None)
    (new,) = parse("0,LDPlayer,0,0,0,-1,-1,960,540,160\r\n")
    assert (new.title, new.android, new.width, new.height, new.dpi) == ("LDPlayer", 0, 960, 540, 160)


def test_an_index_is_what_is_printed_and_no_line_number() -> None:
    text = "0,a,0,0,0,-1,-1,960,540,160\r\n\r\n7,b,0,0,0,-1,-1,960,540,160\r\n"
    assert [one.index for one in parse(text)] == [0, 7]


def test_nothing_printed_is_no_emulator() -> None:
    assert parse("") == parse("\r\n \r\n") == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("0,a,0,0,0,-1,-1,960,540,160\r\ndnplayer Command Line Management Tool\r\n", "Line 2 .*Management"),
        ("0,a,0,0,0,-1,-1,960,540\r\n", "Line 1 "),
        ("0,a,0,0,5,-1,-1,960,540,160", "Line 1 "),
        ("-1,a,0,0,0,-1,-1,960,540,160", "Line 1 "),
        ("99999999999,a,0,0,0,-1,-1,960,540,160", "Line 1 "),
        ("0,a,0,0,0,-1,-1,960,540,9999999999999999999", "Line 1 "),
        ("٣,a,0,0,0,-1,-1,960,540,160", "Line 1 "),
        ("1,a,0,0,0,-1,-1,1,1,1\n2,b,0,0,0,-1,-1,1,1,1\n1,c,0,0,0,-1,-1,1,1,1", "Lines 1 and 3 .*index, 1"),
        ("x" * 5000, "Line 1 .*…"),
    ],
)
def test_what_is_no_list_is_refused_with_the_line_named(text: str, named: str) -> None:
    with pytest.raises(OutputNotUnderstood, match=named) as caught:
        parse(text)
    assert len(caught.value.detail) < 400


@pytest.mark.parametrize(
    ("android", "pid", "vbox_pid", "width", "state", "at_rest"),
    [
        (0, -1, -1, 960, EmulatorState.STOPPED, True),
        (1, 70, 71, 960, EmulatorState.RUNNING, False),
        (2, 70, -1, 960, EmulatorState.STARTING, False),
        (2, 70, 71, 960, EmulatorState.STARTING, False),
        (1, 70, -1, 960, EmulatorState.ZOMBIE, False),
        (0, 70, 71, 960, EmulatorState.ZOMBIE, False),
        (0, -1, 71, 960, EmulatorState.ZOMBIE, False),
        (0, 70, -1, 960, EmulatorState.STOPPED, False),
        (0, -1, -1, None, EmulatorState.STOPPED, True),
        (0, 70, -1, None, EmulatorState.STARTING, False),
        (1, 70, 71, None, EmulatorState.RUNNING, False),
        (1, 70, 0, None, EmulatorState.ZOMBIE, False),
    ],
)
def test_its_processes_tell_what_it_is_in_and_not_its_word_alone(
    android: int, pid: int, vbox_pid: int, width: int | None, state: EmulatorState, at_rest: bool
) -> None:
    instance = Instance(0, "a", 0, 0, android, pid, vbox_pid, width, width, width)
    assert (state_of(instance), instance.at_rest) == (state, at_rest)


def test_a_copy_is_whole_once_it_has_a_size() -> None:
    under_way, done = parse("0,a,0,0,0,-1,-1,0,0,0\n1,b,0,0,0,-1,-1,960,540,160")
    assert (under_way.whole, done.whole, parse("0,a,0,0,0,-1,-1")[0].whole) == (False, True, True)
