"""The benchmark: what it measures, writes down and compares."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.__main__ import PARTS, main
from benchmarks.costs import Cost, busy_seconds, measured, processors
from benchmarks.figures import Bench, Figure, Machine, Unit, compare, read, write
from benchmarks.page import page
from benchmarks.sampling import RATE, REFUSED
from benchmarks.suite import BREAKAGES, read_tests
from meshproof.errors import UsageFailure
from tests.suites import BREAKAGES as SUITE_BREAKAGES

MACHINE = Machine(2, "a processor", 23.5, "6.1")
FIGURES = [
    Figure("stages", "deployed", "s", 9.0, 6.0, "its commands", busy=14.0, idle=4.0),
    Figure("sampling", "page views on 4 connection(s)", "1/s", 270.0, 300.0, "wrk", runs=5),
    Figure("suite", "suite", "s", 240.0),
]

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
figures = st.builds(
    Figure,
    part=names,
    name=names,
    unit=st.sampled_from(["s", "1/s"]),
    ours=st.floats(0.01, 1e4),
    bare=st.none() | st.floats(0.01, 1e4),
)


def made_of(found: list[Figure], commit: str = "abc") -> Bench:
    return Bench("2026-11-28T00:00:00+00:00", commit, "python -m benchmarks", MACHINE, found)


def test_busy_is_all_that_is_not_idle_or_waiting_for_a_disk() -> None:
    one, two = (
        "cpu  100 1 50 {} {} 0 7 2 30 0\ncpu0 1".format(*idle) for idle in ((9, 4), (800, 70))
    )
    assert busy_seconds(one) == busy_seconds(two) == 160 / 100


def test_work_costs_time_and_processors() -> None:
    with measured() as cost:
        sum(number * number for number in range(2_000_000))
    assert cost.seconds > 0
    assert 0 < cost.busy <= cost.seconds * processors() + 1
    assert Cost(2.0, 1.0).idle == 2 * processors() - 1


def test_a_ratio_says_how_much_of_the_bare_one_ours_is() -> None:
    assert [figure.ratio for figure in FIGURES] == [1.5, 0.9, None]


@given(st.lists(figures, unique_by=lambda figure: (figure.part, figure.name)))
def test_a_benchmark_is_the_same_after_it_was_written_and_read(found: list[Figure]) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "bench.json"
        write(made_of(found), file)
        assert read(file) == made_of(found)


@pytest.mark.parametrize("text", [None, "", "{}", "[1, 2"])
def test_what_is_no_benchmark_is_refused(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "bench.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageFailure, match=r"is no bench\.json of an earlier run"):
        read(file)


def test_each_figure_stands_beside_the_earlier_one() -> None:
    before = made_of([
        Figure("stages", "deployed", "s", 12.0),
        Figure("sampling", "page views on 4 connection(s)", "1/s", 320.0),
        Figure("stages", "exposed", "s", 1.0),
    ])  # fmt: skip
    changes = {change.name: change for change in compare(before, made_of(FIGURES))}
    assert [(name, change.verdict) for name, change in changes.items()] == [
        ("deployed", "better"),
        ("page views on 4 connection(s)", "worse"),
        ("suite", "new"),
        ("exposed", "gone"),
    ]
    assert changes["deployed"].factor == 0.75


@given(before=st.floats(0.01, 1e4), now=st.floats(0.01, 1e4), unit=st.sampled_from(["s", "1/s"]))
def test_what_got_better_one_way_is_worse_the_other(before: float, now: float, unit: Unit) -> None:
    other = {"better": "worse", "worse": "better"}
    per_second = unit == "1/s"
    (change,) = compare(
        made_of([Figure("p", "n", unit, before)]),
        made_of([Figure("p", "n", unit, now)]),
    )
    if abs(now / before - 1) < 0.1:
        assert change.verdict == "the same"
    else:
        grown = "better" if per_second else "worse"
        assert change.verdict == (grown if now > before else other[grown])


def test_the_page_shows_every_figure_and_change() -> None:
    earlier = made_of([Figure("suite", "suite", "s", 540.0)], "earlier-commit")
    now = made_of(FIGURES)
    text = page(now, compare(earlier, now), earlier)
    for shown in ("deployed", "1.50", "0.90", "beside wrk", "earlier-commit", "0.44", "better"):
        assert shown in text, shown
    assert not re.search(r"(?:src|href)=", text), "the page must need nothing from elsewhere"


def test_the_page_has_no_comparison_where_there_is_no_earlier_run() -> None:
    assert "Against" not in page(made_of(FIGURES), [], None)


def test_costs_are_read_from_junit() -> None:
    junit = b"""<testsuites><testsuite>
    <testcase name="a[x]"><properties><property name="seconds" value="3.5"/>
      <property name="busy_seconds" value="2.0"/></properties></testcase>
    <testcase name="b"><properties><property name="seconds" value="1"/>
      <property name="busy_seconds" value="1"/></properties><failure/></testcase>
    <testcase name="of no cost"/>
    </testsuite></testsuites>"""
    assert [(test.name, test.cost, test.passed) for test in read_tests(junit)] == [
        ("a[x]", Cost(3.5, 2.0), True),
        ("b", Cost(1.0, 1.0), False),
    ]


def test_what_wrk_prints_is_read() -> None:
    printed = "  1518 requests in 5.01s\n  Non-2xx or 3xx responses: 3\nRequests/sec:    303.11\n"
    assert (rate := RATE.search(printed)) and float(rate[1]) == 303.11
    assert (refused := REFUSED.search(printed)) and refused[1] == "3"
    assert not REFUSED.search("Requests/sec: 1.0\n")


def test_the_breakages_that_are_measured_are_there() -> None:
    assert not {*BREAKAGES} - {file.stem for file in SUITE_BREAKAGES.glob("*.yaml")}


def test_bad_input_ends_before_anything_is_measured(tmp_path: Path) -> None:
    runner = CliRunner()
    unknown = runner.invoke(main, ["--only", "everything"])
    assert unknown.exit_code == 2
    assert all(part in unknown.output for part in PARTS)
    missing = runner.invoke(main, ["--compare", str(tmp_path / "none.json")])
    assert missing.exit_code == 2
    assert "is no bench.json" in missing.output
