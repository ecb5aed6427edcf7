"""Work that waits for an answer in vain is taken over by another thread; late answers count for nothing."""

import threading
from collections.abc import Callable, Iterator

import pytest

from medimgr.lib import watched_thread
from medimgr.lib.watched_thread import MOST_LEFT_BEHIND, Turn, WatchedThread
from tests.running import wait_for

pytestmark = pytest.mark.django_db(transaction=True)
STUCK = 0.1


class Work:
    """Asks something that is answered once it is told to, and notes what it was told."""

    def __init__(self) -> None:
        self.answers: list[threading.Event] = []
        self.results: list[int] = []
        self.stuck: list[float] = []
        self.end = threading.Event()
        self.failing: BaseException | None = None
        self.thread = WatchedThread("worker", self.run, self.stuck.append)

    def run(self, turn: Turn) -> None:
        number = len(self.answers)
        self.answers.append(threading.Event())
        with turn.asking():
            self.answers[number].wait(20)
            if self.failing is not None:
                failing, self.failing = self.failing, None
                raise failing
        self.results.append(number)
        self.end.wait(20)

    def begun(self, count: int) -> None:
        wait_for(lambda: len(self.answers) == count, 10, f"{count} threads have begun")

    def until(self, condition: Callable[[], object], what: str) -> None:
        def looked_after() -> object:
            self.thread.look()
            return condition()

        wait_for(looked_after, 10, what)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    monkeypatch.setattr(watched_thread, "STUCK_SECONDS", STUCK)
    it = Work()
    it.thread.start()
    it.begun(1)
    yield it
    it.end.set()
    for answer in it.answers:
        answer.set()
    it.thread.join(10)
    wait_for(lambda: not _threads(), 10, "all threads have ended")


def test_a_thread_that_is_answered_goes_on(work: Work) -> None:
    work.answers[0].set()
    work.until(lambda: work.results == [0], "the answer is heard")
    wait_for(lambda: not work.end.wait(3 * STUCK), 10, "some time in which nobody asks")
    work.thread.look()
    assert (len(work.answers), work.stuck) == (1, [])


def test_what_comes_too_late_is_dropped_and_the_new_thread_is_heard(work: Work) -> None:
    work.until(lambda: work.stuck, "the first is given up")
    work.begun(2)
    work.answers[0].set()
    wait_for(lambda: len(_threads()) == 1, 10, "the first has ended")
    assert work.results == []
    work.answers[1].set()
    wait_for(lambda: work.results == [1], 10, "the second is heard")
    assert work.stuck == [STUCK]


def test_an_error_that_comes_too_late_is_dropped_as_well(
    work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    work.until(lambda: work.stuck, "the first is given up")
    work.begun(2)
    work.failing = ValueError("an answer from long ago")
    work.answers[0].set()
    wait_for(lambda: len(_threads()) == 1, 10, "the first has ended")
    assert "an answer from long ago" not in caplog.text


def test_only_so_many_threads_wait_at_the_same_time(work: Work) -> None:
    work.until(lambda: len(work.stuck) == MOST_LEFT_BEHIND, "as many as may be left behind")
    work.begun(MOST_LEFT_BEHIND + 1)
    wait_for(lambda: not work.end.wait(3 * STUCK), 10, "time for one more")
    work.thread.look()
    assert len(_threads()) == MOST_LEFT_BEHIND + 1
    work.answers[0].set()
    work.until(lambda: len(work.stuck) == MOST_LEFT_BEHIND + 1, "one more, since one has ended")
    work.begun(MOST_LEFT_BEHIND + 2)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_dies_is_followed_by_another(work: Work) -> None:
    work.failing = MemoryError("no exception that anybody reckoned with")
    work.answers[0].set()
    work.until(lambda: len(work.answers) == 2, "another one")
    work.answers[1].set()
    wait_for(lambda: work.results == [1], 10, "it is heard")
    assert work.stuck == []


def test_work_that_has_ended_is_not_begun_again(work: Work) -> None:
    work.end.set()
    work.answers[0].set()
    wait_for(lambda: not _threads(), 10, "the thread has ended")
    work.thread.look()
    assert len(work.answers) == 1


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("worker")]
