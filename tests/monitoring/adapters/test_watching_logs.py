"""A line that tells that a service is ready is found once, however it comes, and only in this run's part."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.supervisor import log_watch as module
from monitoring.supervisor.log_lines import LONGEST, LogLines
from monitoring.supervisor.log_watch import LogWatch


class Watching:
    """A log watch, and what it has found."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.watch = LogWatch(asyncio.get_running_loop())
        self.found: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    def look_for(self, pattern: str, *, key: str = "it", offset: int = 0, log: Path | None = None) -> None:
        self.watch.watch(
            key, log or self.log, offset, pattern, lambda line: self.found.put_nowait((key, line))
        )

    def write(self, data: bytes | str, log: Path | None = None) -> None:
        with (log or self.log).open("ab") as file:
            file.write(data.encode() if isinstance(data, str) else data)

    async def line(self, within: float = 5.0) -> str:
        return (await asyncio.wait_for(self.found.get(), within))[1]

    async def nothing(self, seconds: float = 0.2) -> None:
        with pytest.raises(TimeoutError):
            await self.line(seconds)


@pytest_asyncio.fixture
async def watching(tmp_path: Path) -> AsyncIterator[Watching]:
    found = Watching(tmp_path / "it.log")
    yield found
    assert found.found.empty()


async def test_the_first_line_that_matches_is_told_once(watching: Watching) -> None:
    watching.look_for(r"Listening on .*:\d+")
    await watching.nothing()  # there is no log yet
    watching.write("starting\nListening on ")
    await watching.nothing()
    watching.write("127.0.0.1:8001\r\nListening on [::1]:8001\n")
    assert await watching.line() == "Listening on 127.0.0.1:8001"
    watching.write("Listening on 127.0.0.1:8002\n")
    await watching.nothing()


async def test_what_earlier_runs_have_written_does_not_count(watching: Watching) -> None:
    watching.write("ready\n")
    watching.look_for("ready", offset=6)
    await watching.nothing()
    watching.write("ready again\n")
    assert await watching.line() == "ready again"


async def test_escapes_do_not_keep_a_line_from_matching(watching: Watching) -> None:
    watching.look_for("^Listening on 8001$")
    watching.write("\x1b[32mListening\x1b[0m on 8001\n")
    assert await watching.line() == "Listening on 8001"


async def test_binary_garbage_is_looked_through(watching: Watching) -> None:
    watching.look_for("ready")
    watching.write(bytes(range(256)) * 500 + b"\n\xff\xferead\xff\nready\n")
    assert await watching.line() == "ready"


async def test_of_a_long_line_the_beginning_counts(watching: Watching) -> None:
    watching.look_for("ready")
    watching.write("x" * LONGEST + "ready" + "x" * 1_000_000)
    await watching.nothing()
    watching.write("ready\n" + "y" * (LONGEST - 5) + "ready" + "z" * 5000 + "\n")
    assert await watching.line() == ("y" * 200)


async def test_a_line_without_an_end_counts_once_nothing_follows(watching: Watching) -> None:
    watching.look_for("ready>")
    watching.write("ready> ")
    begun = time.monotonic()
    assert await watching.line() == "ready>"
    assert time.monotonic() - begun > 0.5


async def test_a_log_that_is_emptied_or_replaced_by_hand_is_followed(watching: Watching) -> None:
    watching.write("old\n" * 1000)
    watching.look_for("ready", offset=4000)
    await watching.nothing()
    watching.log.write_text("")
    await watching.nothing()
    watching.write("ready\n")
    assert await watching.line() == "ready"
    watching.look_for("again", offset=6)
    await watching.nothing()
    watching.log.rename(watching.log.with_name("moved"))
    watching.write("again\n")
    assert await watching.line() == "again"


async def test_a_log_that_may_not_be_read_is_told_once_and_does_no_harm(
    watching: Watching, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching.write("ready\n")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(module, "read_log", refuse)  # root may read everything
        watching.look_for("ready")
        await watching.nothing()
        watching.write("more\n")
        await watching.nothing()
    assert len(caplog.records) == 1
    assert "cannot be read" in caplog.text
    watching.write("more\n")
    assert await watching.line() == "ready"


async def test_what_is_stopped_or_watched_anew_is_not_told(watching: Watching) -> None:
    watching.look_for("ready")
    watching.look_for("steady")
    watching.look_for("ready", key="other")
    watching.watch.stop("other")
    watching.watch.stop("nobody")
    watching.write("ready\nsteady\n")
    assert await watching.line() == "steady"


async def test_a_pattern_that_makes_no_sense_is_refused_in_words(watching: Watching) -> None:
    with pytest.raises(ValueError, match=r"'\(' makes no sense"):
        watching.look_for("(")


async def test_one_that_writes_without_end_keeps_nobody_waiting(watching: Watching, tmp_path: Path) -> None:
    """Its whole log is read in time, a piece at a turn, between the turns of others."""
    flood = tmp_path / "flood.log"
    watching.write(b"noise\n" * 2_000_000 + b"found at last\n", flood)
    watching.look_for("found at last", key="flood", log=flood)
    watching.look_for("ready")
    watching.write("ready\n")
    slowest, begun = 0.0, time.monotonic()
    order: list[str] = []
    while len(order) < 2 and time.monotonic() - begun < 30:
        turn = time.monotonic()
        await asyncio.sleep(0)
        slowest = max(slowest, time.monotonic() - turn)
        if not watching.found.empty():
            order.append(watching.found.get_nowait()[0])
    assert order == ["it", "flood"]
    assert slowest < 0.3


async def test_hundreds_of_logs_are_watched_by_one_timer(watching: Watching, tmp_path: Path) -> None:
    logs = {f"service-{number}": tmp_path / f"{number}.log" for number in range(300)}
    for key, log in logs.items():
        watching.write("starting\n", log)
        watching.look_for("ready", key=key, log=log)
    for log in logs.values():
        watching.write("ready\n", log)
    found = {(await asyncio.wait_for(watching.found.get(), 5))[0] for _ in logs}
    assert found == set(logs)


# --- properties ------------------------------------------------------------------------------------


@st.composite
def in_pieces(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    text = draw(st.lists(st.sampled_from([b"a", b"\n", b"\r\n", b"\xc3\xa4", b"\xff", b"ready", b"x" * 700])))
    whole = b"".join(text)
    cuts = sorted(draw(st.sets(st.integers(0, len(whole)), max_size=8)) | {0, len(whole)})
    return whole, [whole[start:end] for start, end in pairwise(cuts)]


@given(in_pieces())
def test_lines_are_the_same_however_they_are_cut(drawn: tuple[bytes, list[bytes]]) -> None:
    whole, pieces = drawn
    lines = LogLines()
    found = [line for piece in pieces for line in lines.feed(piece)]
    expected = [line[:LONGEST].removesuffix(b"\r").decode("utf-8", "replace") for line in whole.split(b"\n")]
    assert [*found, lines.unended()] == [line.replace("\r", " ") for line in expected]


@pytest.fixture(scope="module")
def quick_looks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LOOK_SECONDS", 0.001)
        yield


@settings(max_examples=40, deadline=None)
@given(
    pieces=st.lists(
        st.sampled_from([b"noise\n", b"rea", b"dy", b"\n", b"ready\n", b"x" * 70_000]), max_size=10
    )
)
@pytest.mark.usefixtures("quick_looks")
def test_however_a_log_grows_the_first_matching_line_is_found_exactly_once(
    pieces: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = tmp_path_factory.mktemp("log") / "it.log"
    lines = b"".join(pieces).split(b"\n")
    expected = [line for line in lines[:-1] if b"ready" in line[:LONGEST]][:1]

    async def watch() -> list[str]:
        found: list[str] = []
        called = asyncio.Event()

        def tell(line: str) -> None:
            found.append(line)
            called.set()

        watching = LogWatch(asyncio.get_running_loop())
        watching.watch("it", log, 0, "ready", tell)
        for piece in pieces:
            with log.open("ab") as file:
                file.write(piece)
            await asyncio.sleep(0.0015)  # as long as a look or two
        if expected:
            await asyncio.wait_for(called.wait(), 5)
        watching.stop("it")
        return found

    assert asyncio.run(watch()) == [line.decode()[:200] for line in expected]
