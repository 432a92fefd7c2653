"""Where a run is, in words: for a log, and in place in a terminal."""

from __future__ import annotations

import io
from datetime import datetime

import pytest
from rich.console import Console

from meshproof.progress import HEARTBEAT_SECONDS
from meshproof.run.lane_progress import Event, Kind
from meshproof.run.overview import (
    LONG_STEP_SECONDS,
    LONG_TEST_SECONDS,
    STEADYING_SECONDS,
    Ending,
    Finished,
    Overview,
    Planned,
    in_words,
    pace,
    seconds_left,
)

KEPT = Planned("a", "A promise is kept", ("D1",))
BROKEN = Planned("b", "A promise is broken", ("D2", "D3"))
LONG = Planned("c", "It takes long", ("A1",))
NOON = datetime(2026, 1, 1, 12, 0, 0)


def overview(lanes: int = 1, **expected: float) -> Overview:
    return Overview([KEPT, BROKEN, LONG], lanes=lanes, expected=expected.get, started=100.0)


def begin(run: Overview, at: float, planned: Planned, lane: str = "main") -> None:
    assert run.take(lane, Event(at, Kind.SCENARIO, 1, planned.node)) == []


def doing(run: Overview, at: float, kind: Kind, text: str, lane: str = "main") -> None:
    assert run.take(lane, Event(at, kind, 2, text)) == []


def shown(run: Overview, now: float, width: int = 100) -> list[str]:
    """The view in place, as a terminal of this width shows it."""
    console = Console(
        file=io.StringIO(), record=True, force_terminal=True, width=width, color_system="truecolor"
    )
    console.print(run.view(now, NOON))
    return [line.rstrip() for line in console.export_text().splitlines()]


# The estimate.


@pytest.mark.parametrize(
    ("waiting", "running", "lanes", "by", "left"),
    [
        ([], [], 1, 1.0, 0.0),
        ([10, 20], [], 1, 1.0, 30.0),
        ([10, 20], [(10, 4)], 1, 1.0, 36.0),
        ([10, 20], [(10, 4)], 2, 1.0, 20.0),  # as long as the longest of them
        ([10, 10, 10, 10], [], 2, 1.0, 20.0),
        ([10, 20], [(10, 4)], 1, 2.0, 76.0),
        ([], [(10, 50)], 1, 1.0, 0.0),  # longer than ever before
        ([], [(90, 10), (10, 0)], 4, 1.0, 80.0),
    ],
)
def test_lanes_share_what_is_left(
    waiting: list[float], running: list[tuple[float, float]], lanes: int, by: float, left: float
) -> None:
    assert seconds_left(waiting, running, lanes=lanes, pace=by) == left


def test_the_pace_is_that_of_the_run_once_there_is_enough_of_it() -> None:
    assert pace([]) == 1.0
    assert pace([(10, 10), (20, 20)]) == 1.0
    assert pace([(2 * STEADYING_SECONDS, STEADYING_SECONDS)]) == 1.5
    assert pace([(2000, 1000)]) == pytest.approx(2, abs=0.03)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "5 s"), (8, "10 s"), (42, "40 s"), (99, "100 s"), (154, "150 s"), (599, "600 s"),
     (600, "10 min"), (3661, "61 min")],
)  # fmt: skip
def test_an_estimate_is_no_more_exact_than_it_is(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_the_estimate_is_of_earlier_runs_times() -> None:
    run = overview(a=10, b=30, c=200)
    assert run.left(100.0) == 240
    begin(run, 100.0, KEPT)
    assert run.left(104.0) == 236
    run.finish(110.0, Finished(KEPT, Ending.PASSED, 10.0), comparable=10.0)
    assert run.left(110.0) == 230


def test_a_slow_run_is_estimated_to_stay_slow() -> None:
    run = overview(a=20, b=30, c=200)
    run.finish(160.0, Finished(KEPT, Ending.PASSED, 60.0), comparable=60.0)
    assert run.left(160.0) == 230 * pace([(60, 20)])


def test_what_did_not_pass_says_nothing_of_the_pace() -> None:
    run = overview(a=20, b=30, c=200)
    run.finish(400.0, Finished(KEPT, Ending.FAILED, 300.0), comparable=None)
    assert run.left(400.0) == 230


def test_a_scenario_that_is_new_takes_as_long_as_others() -> None:
    assert overview(a=10, b=30).left(100.0) == 60


def test_what_is_left_out_takes_no_time_and_says_nothing_of_others() -> None:
    gone = LONG._replace(left_out=True)
    times = {"a": 10.0, "c": 200.0}
    run = Overview([KEPT, BROKEN, gone], lanes=1, expected=times.get, started=100.0)
    assert run.left(100.0) == 20
    begin(run, 101.0, gone)
    assert run.due(101.0) == []


def test_a_first_run_is_estimated_by_itself() -> None:
    run = overview()
    assert run.left(100.0) is None
    assert "left" not in shown(run, 100.0)[-1]
    run.finish(107.0, Finished(KEPT, Ending.PASSED, 7.0), comparable=7.0)
    assert run.left(107.0) == 14


# A log.


def test_a_scenario_that_ended_is_a_line() -> None:
    run = overview(a=10, b=30, c=200)
    assert run.finish(110.0, Finished(KEPT, Ending.PASSED, 10.0), comparable=10.0).text == (
        "[  10.0 s] 1/3 ✓ D1 A promise is kept (10.0 s) · about 230 s left"
    )
    line = run.finish(
        140.0, Finished(BROKEN, Ending.FAILED, 30.0, "AssertionError: 3 of 5"), comparable=None
    )
    assert line.text == (
        "[  40.0 s] 2/3 ✗ D2 D3 A promise is broken (30.0 s): AssertionError: 3 of 5"
        " · about 200 s left"
    )
    assert line.ending is Ending.FAILED
    assert run.finish(141.0, Finished(LONG, Ending.SKIPPED, 0.0), comparable=None).text == (
        "[  41.0 s] 3/3 ○ A1 It takes long (0.0 s)"
    )


def test_what_is_expected_to_take_long_is_announced_once() -> None:
    run = overview(a=1, b=1, c=200)
    begin(run, 101.0, KEPT)
    assert run.due(101.0) == []
    run.finish(102.0, Finished(KEPT, Ending.PASSED, 1.0), comparable=1.0)
    begin(run, 102.0, LONG)
    assert [line.text for line in run.due(102.0)] == [
        "[   2.0 s] ▸ A1 It takes long (takes about 200 s)"
    ]
    assert run.due(103.0) == []


def test_what_takes_long_against_expectation_is_announced_when_it_does() -> None:
    run = overview(a=1)
    begin(run, 101.0, KEPT)
    doing(run, 102.0, Kind.WAIT, "the page is served")
    assert run.due(100.9 + LONG_TEST_SECONDS) == []
    assert [line.text for line in run.due(101.0 + LONG_TEST_SECONDS)] == [
        "[  21.0 s] ▸ D1 A promise is kept, 20 s, waiting until the page is served"
    ]


def test_a_heartbeat_says_what_runs_and_what_is_waited_for() -> None:
    run = overview(2, b=40, c=200)
    begin(run, 101.0, LONG, "gw1")
    begin(run, 101.0, BROKEN, "gw0")
    assert len(run.due(101.0)) == 2
    doing(run, 120.0, Kind.STEP, "When users vote", "gw1")
    doing(run, 120.0, Kind.WAIT, "the page is served", "gw0")
    assert run.due(100.9 + HEARTBEAT_SECONDS) == []
    assert [line.text for line in run.due(101.0 + HEARTBEAT_SECONDS)] == [
        "[  31.0 s] … 0/3 done · gw0: D2 D3 A promise is broken, 30 s, waiting until the page is "
        "served · gw1: A1 It takes long, 30 s, When users vote · about 170 s left"
    ]
    assert run.due(102.0 + HEARTBEAT_SECONDS) == []
    assert len(run.due(101.0 + 2 * HEARTBEAT_SECONDS)) == 1


def test_nothing_is_said_where_nothing_runs() -> None:
    run = overview()
    assert run.due(100.0 + 9 * HEARTBEAT_SECONDS) == []
    begin(run, 101.0, Planned("tests/unit/test_x.py::test_x", "another test", ()))
    doing(run, 101.0, Kind.WAIT, "it is so")
    assert run.due(100.0 + 9 * HEARTBEAT_SECONDS) == []


def test_only_steps_that_took_long_or_failed_are_told() -> None:
    run = overview(2)
    for seconds, failed, said in [
        (LONG_STEP_SECONDS - 1, False, []),
        (LONG_STEP_SECONDS, False, ["[  10.0 s] gw0: ✓ install Istio (10.0 s)"]),
        (1.0, True, ["[   1.0 s] gw0: ✗ failed: install Istio (1.0 s)"]),
    ]:
        doing(run, 100.0, Kind.WORK, "install Istio", "gw0")
        ended = Event(100.0 + seconds, Kind.WORK, 2, "install Istio", ended=True, failed=failed)
        assert [line.text for line in run.take("gw0", ended)] == said


def test_a_note_is_told() -> None:
    (line,) = overview().take("main", Event(101.0, Kind.NOTE, 1, "starting over"))
    assert line.text == "[   1.0 s] starting over"


# In place.


def test_the_view_has_a_line_a_lane_and_one_for_the_run() -> None:
    run = overview(2, a=10, b=30, c=200)
    run.finish(110.0, Finished(KEPT, Ending.PASSED, 10.0), comparable=10.0)
    begin(run, 110.0, BROKEN, "gw0")
    begin(run, 110.0, LONG, "gw1")
    doing(run, 111.0, Kind.WAIT, "the page is served", "gw1")
    first, second, last = shown(run, 115.0)
    assert first.split() == ["gw0", "D2", "D3", "A", "promise", "is", "broken", "5", "s"]
    assert second.split("  ")[0] == "gw1 A1"
    assert second.endswith("5 s waiting until the page is served")
    assert last.endswith("1/3 done · 0 failed · 15 s · about 200 s left, until 12:03:15")


def test_one_lane_needs_no_name() -> None:
    run = overview()
    begin(run, 100.0, KEPT)
    assert shown(run, 103.0)[0].split() == ["D1", "A", "promise", "is", "kept", "3", "s"]


def test_the_view_fits_a_narrow_terminal() -> None:
    run = overview(2, a=10, b=30, c=200)
    begin(run, 110.0, BROKEN, "gw0")
    doing(run, 111.0, Kind.WAIT, "the page is served by the name of the gateway", "gw0")
    lines = shown(run, 115.0, width=50)
    assert len(lines) == 2
    assert max(map(len, lines)) <= 50
    assert "…" in lines[0]


def test_a_lane_whose_scenario_is_over_shows_nothing() -> None:
    run = overview(2)
    begin(run, 100.0, BROKEN, "gw0")
    begin(run, 100.0, KEPT, "gw1")
    run.finish(101.0, Finished(BROKEN, Ending.FAILED, 1.0), comparable=None)
    assert len(shown(run, 101.0)) == 2
    assert "1 failed" in shown(run, 101.0)[-1]
    run.gone("gw1")
    assert len(shown(run, 101.0)) == 1
    run.gone("never there")


def test_what_is_done_for_the_run_itself_is_shown_between_scenarios() -> None:
    run = overview()
    doing(run, 100.0, Kind.WORK, "delete cluster meshproof")
    assert shown(run, 101.0)[0].strip() == "delete cluster meshproof"
