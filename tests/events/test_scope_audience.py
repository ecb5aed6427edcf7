"""Whose an event is: what somebody hears who is limited, and which services there are for him."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from medimgr.events.audience import Audience, Hearing, audience_of, marks_of
from medimgr.events.sight import Look, Sight
from medimgr.lib.scope import EVERYTHING, NOTHING, Labels, Scope, group_label, needle
from tests.events.limits import reaching

LABELS = st.frozensets(st.sampled_from(["group:a", "group:b", "tag:a", "tag:-a", "group:-"]), max_size=3)
SCOPES = st.builds(Scope, LABELS, sees_everything=st.booleans()) | st.just(EVERYTHING)
KEYS = st.sampled_from(["web", "db", "queue"])


@given(labels=LABELS, left=LABELS)
def test_an_audience_reads_back_as_it_was_stored(labels: Labels, left: Labels) -> None:
    read = audience_of(Audience(labels, left).column())
    assert read == Audience(labels, left - labels)


@given(labels=LABELS, left=LABELS, scope=SCOPES)
def test_who_has_a_label_hears_all_and_who_had_one_hears_of_the_loss(
    labels: Labels, left: Labels, scope: Scope
) -> None:
    hearing = Audience(labels, left).hearing(scope)
    if scope.sees_everything or scope.labels is None or scope.labels & labels:
        assert hearing is Hearing.ALL
    else:
        assert hearing is (Hearing.LOSS if scope.labels & left else Hearing.NOTHING)


@given(labels=LABELS, left=LABELS, mine=LABELS)
def test_the_column_holds_one_of_the_marks_exactly_where_anything_is_heard(
    labels: Labels, left: Labels, mine: Labels
) -> None:
    column = Audience(labels, left).column()
    found = any(needle(mark) in column for mark in marks_of(mine))
    assert found == (Audience(labels, left).hearing(Scope(mine)) is not Hearing.NOTHING)


def test_what_has_no_labels_is_heard_by_nobody_who_is_limited() -> None:
    assert Audience().column() == ""
    assert Audience().hearing(reaching("a")) is Hearing.NOTHING
    assert Audience().hearing(NOTHING) is Hearing.NOTHING
    assert Audience().hearing(EVERYTHING) is Hearing.ALL


@dataclass
class Told:
    """An event about a service."""

    id: int
    key: str
    audience: Audience | None
    topic: str = "service"
    data: dict[str, Any] = field(default_factory=dict)


@given(
    happened=st.lists(st.tuples(KEYS, st.sampled_from(["", "a", "b"]), st.booleans()), max_size=12),
    looks=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=4),
)
def test_a_look_that_comes_late_never_undoes_what_was_heard_since(
    happened: list[tuple[str, str, bool]], looks: list[tuple[int, int]]
) -> None:
    """Looks are taken at one moment and arrive at another, as those from another thread do."""
    sight, truth = Sight(), [dict[str, Labels]()]
    arriving: dict[int, list[Look]] = {}
    for key, group, deleted in happened:
        truth.append({**truth[-1], key: frozenset() if deleted else group_label(group)})
    for moment, later in looks:
        taken = min(moment, len(happened))
        arriving.setdefault(min(taken + later, len(happened)), []).append(Look(taken, truth[taken]))
    for now in range(len(happened) + 1):
        if now:
            key, group, deleted = happened[now - 1]
            sight.hear(
                [Told(now, key, Audience(group_label(group)), data={"deleted": True} if deleted else {})]
            )
        for look in arriving.get(now, ()):
            sight.take(look)
        for key in ("web", "db", "queue"):
            assert sight.labels_of(key) == truth[now].get(key, frozenset())


def test_measurements_are_parted_by_what_is_in_sight() -> None:
    sight = Sight()
    sight.take(Look(1, {"web": group_label("a"), "db": group_label("b"), "lone": frozenset()}))
    measured = {"web": [1.0, 2.0], "db": [3.0, 4.0], "lone": [5.0, 6.0], "unknown": [7.0, 8.0]}
    assert sight.part_of(reaching("a"), measured) == {"web": [1.0, 2.0]}
    assert sight.part_of(NOTHING, measured) == {}
    assert sight.part_of(EVERYTHING, measured) == measured
    assert sight.part_of(reaching("a", sees_everything=True), measured) == measured
    assert not sight.reaches(reaching("a", sees_everything=True), "db"), "looking is not acting"
    sight.hear([Told(2, "web", Audience(group_label("b"), group_label("a")))])
    assert sight.part_of(reaching("a"), measured) == {}
    sight.start_over()
    assert sight.labels_of("web") == group_label("b"), "what is known holds until the next look"
    sight.take(Look(1, {"web": group_label("a")}))
    assert sight.labels_of("web") == group_label("a")
