from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import pytest

from meshproof.analysis.lived_through import all_served, during, lived_through, saw_alone
from meshproof.analysis.timeline import BETWEEN, Request, Step, Timeline
from meshproof.wording import NAMED

APPLY = Step("kubectl apply -f step-2a.yaml", 1.0, 1.5)
LOAD = Step("the proxies load it", 1.5, 2.0)
VIEW = Request(0.5, 0.01, "Ada", "GET", 200, "1.0", "redis", "", "", "", "")
VOTE = Request(1.2, 0.03, "Bob", "POST", 200, "1.0", "redis", "Cats", "id-1", "id-1", "")
REFUSED = Request(1.4, 0.2, "Ada", "GET", 503, "", "", "", "", "", "HTTP 503")
TIMELINE = Timeline([APPLY, LOAD], [VIEW, VOTE, REFUSED])


def test_a_request_that_failed_is_named_with_its_time_and_the_steps_under_way() -> None:
    assert TIMELINE.failed == [REFUSED]
    assert TIMELINE.failures() == [
        "1.40 s, Ada: GET: HTTP 503, after 200 ms, during: "
        "kubectl apply -f step-2a.yaml → the proxies load it"
    ]


@pytest.mark.parametrize(
    ("at", "seconds", "named"),
    [
        (0.5, 0.4, BETWEEN),
        (0.5, 0.5, APPLY.title),
        (1.1, 0.1, APPLY.title),
        (1.6, 9.0, LOAD.title),
        (0.1, 9.0, f"{APPLY.title} → {LOAD.title}"),
        (2.0, 0.1, LOAD.title),
        (2.1, 0.0, BETWEEN),
    ],
)
def test_the_steps_under_way_are_those_between_begin_and_end(
    at: float, seconds: float, named: str
) -> None:
    assert TIMELINE.under_way(replace(VIEW, at=at, seconds=seconds)) == named


def test_the_table_counts_each_request_once_where_it_began() -> None:
    assert TIMELINE.table().splitlines() == [
        "begin (s)  duration (s)  requests  failed  slowest (ms)  step",
        "     1.00          0.50         2       1           200  kubectl apply -f step-2a.yaml",
        "     1.50          0.50         0       0             0  the proxies load it",
        "                                1       0            10  (between steps)",
    ]


def test_a_request_that_begins_as_a_step_does_is_of_it_and_as_it_ends_of_the_next() -> None:
    first, last = replace(VIEW, at=1.0), replace(VIEW, at=1.5)
    rows = Timeline([APPLY, LOAD], [first, last]).table().splitlines()[1:]
    assert [row.split()[2] for row in rows[:2]] == ["1", "1"]


def test_times_are_told_in_milliseconds() -> None:
    slow = replace(VIEW, seconds=2.0)
    assert "2000 ms" in Timeline([], [slow]).summary()[0]
    assert "2000" in Timeline([], [slow]).table().splitlines()[1].split()
    assert str(slow).endswith("after 2000 ms")


def test_a_vote_is_told_with_its_id() -> None:
    assert str(VOTE) == "1.20 s, Bob: POST (Cats id-1): 1.0 on redis, after 30 ms"


def test_the_summary_tells_what_each_user_saw() -> None:
    later = replace(VIEW, at=3.5, version="2.0", store="mysql")
    assert Timeline([], [*TIMELINE.requests, later]).summary() == [
        "Ada: 3 requests in 3 s, 0 of them votes (0 acknowledged), 1 failed, "
        "the slowest took 200 ms; pages: 1 by 1.0 on redis, 1 by 2.0 on mysql",
        "Bob: 1 requests in 0 s, 1 of them votes (1 acknowledged), 0 failed, "
        "the slowest took 30 ms; pages: 1 by 1.0 on redis",
    ]


def test_a_stage_is_entered_from_its_first_step_to_the_end_of_its_last() -> None:
    steps = [Step("a: one", 1, 2), Step("a: wait", 2, 3), Step("ab: one", 4, 5), Step("b: a", 6, 7)]
    timeline = Timeline(steps, [])
    assert [timeline.entered(stage) for stage in ("a", "ab", "b")] == [(1, 3), (4, 5), (6, 7)]
    with pytest.raises(ValueError, match="stage c was not entered, in 4 steps"):
        timeline.entered("c")


@pytest.mark.parametrize(
    ("begin", "end", "requests"),
    [
        (0.5, 1.65, [VIEW, VOTE, REFUSED]),
        (0.6, 1.5, [VOTE]),
        (1.3, 1.5, []),
        (1.3, math.inf, [REFUSED]),
        (1.2, VOTE.end, [VOTE]),
    ],
)
def test_requests_between_two_moments_begin_and_end_there(
    begin: float, end: float, requests: list[Request]
) -> None:
    assert TIMELINE.between(begin, end) == requests


def test_steps_and_requests_are_kept_for_machines_one_a_line() -> None:
    text = TIMELINE.as_json()
    assert json.loads(text) == {
        "steps": [asdict(APPLY), asdict(LOAD)],
        "requests": [asdict(VIEW), asdict(VOTE), asdict(REFUSED)],
    }
    assert json.dumps(asdict(VOTE)) + "," in text.splitlines()
    assert "“no”" in Timeline([], [replace(REFUSED, problem="“no”")]).as_json()


def test_without_steps_or_requests() -> None:
    empty = Timeline([], [])
    assert (empty.failures(), empty.summary()) == ([], [])
    assert json.loads(empty.as_json()) == {"steps": [], "requests": []}
    assert empty.table().splitlines()[1].split() == ["0", "0", "0", "(between", "steps)"]


SPANS = Timeline(
    [Step("one: x", 1, 2), Step("two: y", 5, 6)],
    [replace(VIEW, at=at) for at in (0.0, 1.5, 3.0, 5.2, 7.0)],
)


@pytest.mark.parametrize(
    ("span", "seen"),
    [
        ("during the whole scenario", [0.0, 1.5, 3.0, 5.2, 7.0]),
        ('from stage "one" on', [3.0, 5.2, 7.0]),
        ('until stage "two"', [0.0, 1.5, 3.0]),
        ('from stage "one" until stage "two"', [3.0]),
    ],
)
def test_a_span_is_between_stages(span: str, seen: list[float]) -> None:
    assert [one.at for one in during(SPANS, span)] == seen


@pytest.mark.parametrize("span", ["always", 'until stage "three"', 'from stage "one"', ""])
def test_no_other_span_is_read(span: str) -> None:
    with pytest.raises(ValueError, match=r"span|stage"):
        during(SPANS, span)


def test_users_saw_one_kind_alone() -> None:
    seen = saw_alone(SPANS, "Ada", 'version "1.0"', "during the whole scenario")
    assert not seen.problem
    assert seen.results == [
        '0 of 5 answers to Ada during the whole scenario were other than version "1.0".'
    ]
    assert saw_alone(SPANS, "Ada", 'version "2.0"', "during the whole scenario").problem.startswith(
        "during the whole scenario 5 of 5 were other: 0.00 s, Ada"
    )
    assert saw_alone(SPANS, "Bob", 'version "1.0"', "during the whole scenario").problem


def test_what_users_lived_through_is_said_with_what_failed_of_how_many() -> None:
    served = all_served(Timeline([APPLY, LOAD], [VIEW, VOTE]))
    assert not served.problem
    assert served.results == ["0 of 2 requests failed, in 2 steps."]
    assert all_served(Timeline([APPLY], [VIEW])).results == ["0 of 1 requests failed, in 1 step."]
    broken = all_served(TIMELINE)
    assert broken.results == ["1 of 3 requests failed, in 2 steps."]
    assert broken.problem == f"1 of 3 requests failed: {TIMELINE.failures()[0]}"


@pytest.mark.parametrize("empty", [Timeline([APPLY], []), Timeline([], [VIEW])])
def test_without_a_request_or_a_step_nothing_is_proved(empty: Timeline) -> None:
    assert all_served(empty).problem.startswith("0 of ")


def test_of_many_that_failed_the_first_are_named() -> None:
    many = Timeline([APPLY], [replace(REFUSED, at=1.0 + n / 100) for n in range(NAMED + 2)])
    assert all_served(many).problem.endswith(" more")
    assert saw_alone(many, "Ada", 'version "1.0"', "during the whole scenario").problem.endswith(
        " more"
    )


def test_every_request_is_kept_with_what_failed_of_them() -> None:
    kept = lived_through(TIMELINE)
    assert kept.details == TIMELINE.summary()
    assert kept.texts == {
        "timeline": TIMELINE.table(),
        "requests that failed": f"{TIMELINE.failures()[0]}\n",
    }
