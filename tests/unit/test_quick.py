"""What --quick leaves out and weakens: on a suite of its own, in one process and in lanes."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from xml.etree import ElementTree as ET

import pytest
from pytest_bdd.parser import FeatureParser

from meshproof.errors import ExitCode
from meshproof.paths import PROJECT
from meshproof.plugin.planning import Turn, Work, work_of
from meshproof.plugin.quick import why_stood_for, why_too_long
from meshproof.plugin.scenarios import BASELINE, FINDING, FULL, LEFT_OUT, LONG
from meshproof.signoff.allure_report import RESULTS
from meshproof.signoff.reading import read
from tests.several_runs import run_all
from tests.suites import BREAKAGES, IDS

#: What takes longest, each with what is left out of it: all its scenarios, or some of them.
ALL_LEFT_OUT = {"A1", "A3", "A4", "C7"}
SOME_LEFT_OUT = {
    "T5": ["Certificates are renewed before they expire, and calls go on"],
    "B3": ["Deleting the tutorial's namespaces leaves nothing of Bookinfo in the cluster"],
}


# The features.


@functools.cache
def tagged() -> list[tuple[str, frozenset[str]]]:
    """Each scenario of the features with its tags; an outline once for each of its examples."""
    return list(_tagged())


def _tagged() -> Iterator[tuple[str, frozenset[str]]]:
    for file in sorted((PROJECT / "features").rglob("*.feature")):
        feature = FeatureParser(str(file.parent), file.name).parse()
        for scenario in feature.scenarios.values():
            own = feature.tags | scenario.tags
            for of_examples in [examples.tags for examples in scenario.examples] or [set[str]()]:
                yield scenario.name, frozenset(own | of_examples)


@pytest.mark.parametrize("identifier", IDS)
def test_exactly_what_takes_longest_is_left_out(identifier: str) -> None:
    proving = {name: LONG in tags for name, tags in tagged() if identifier in tags}
    gone = [name for name, long in proving.items() if long]
    if identifier in ALL_LEFT_OUT:
        assert gone == list(proving) != []
    elif identifier in SOME_LEFT_OUT:
        assert gone == SOME_LEFT_OUT[identifier]
        assert len(gone) < len(proving)
    else:
        # Left out are at most those that prove something that takes longest as well.
        ids_of = {name: tags & {*IDS} for name, tags in tagged()}
        assert all(ids_of[name] & ALL_LEFT_OUT for name in gone)


@pytest.mark.parametrize("identifier", [one for one in IDS if one not in ALL_LEFT_OUT])
def test_every_other_promise_has_a_scenario_that_shows_that_it_is_kept(identifier: str) -> None:
    proving = [tags for _, tags in tagged() if identifier in tags]
    assert any(not tags & {LONG, FULL, FINDING, BASELINE} for tags in proving)


@pytest.mark.parametrize("tag", [LONG, FINDING])
def test_what_is_left_out_anyway_is_not_said_to_be_stood_for(tag: str) -> None:
    assert not [name for name, tags in tagged() if {tag, FULL} <= tags]


# The reason, and the plan.


def test_the_reason_says_how_long_it_takes_where_that_is_known() -> None:
    assert why_too_long(92.3) == "left out by --quick: it takes about 90 s in full"
    assert why_too_long(None) == "left out by --quick: it is among those that take longest"


def test_the_reason_names_what_another_scenario_stands_for() -> None:
    assert why_stood_for(["C1", "A1"]) == (
        "left out by --quick: another scenario stands for C1 and A1"
    )
    assert why_stood_for([]) == "left out by --quick: it is for full runs alone"


def test_what_is_left_out_is_planned_as_nothing_whatever_its_tags_are() -> None:
    stash = pytest.Stash()
    stash[LEFT_OUT] = True
    item = cast("pytest.Item", SimpleNamespace(nodeid="features/x.py::long", stash=stash))
    planned = work_of(item, lambda _: 90.0)
    assert planned == Work(
        item.nodeid, Turn.ANYWHERE, "left out", 0.0, first_lane=False, needs_environment=False
    )


# Whole runs.

LEAK = "a sample size that detects 1 % wrong answers with a probability of 99.9 %"
FEATURE = f"""\
Feature: Looks
  @always @A1 @canary @C1 @own @long
  Scenario: It takes long
    Given a namespace of its own
    Then it is kept

  @always @A3 @last @exclusive @long
  Scenario: It asks for the whole cluster
    Given a namespace of its own

  @canary @C1
  Scenario: Something else proves it, too
    Then it is kept

  @canary @C1 @full
  Scenario: Something else stands for it
    Then it is kept

  @canary @C2 @finding
  Scenario: It is not what the tutorial says
    Then it is kept

  @update @U5
  Scenario: Only one answers
    Given {LEAK}
    When page views of users without the flag are sampled through the ingress
    Then every answer to users without the flag shows analytics "1.1"

  @update @U2
  Scenario: Both answer evenly
    Given a sequential hypothesis test that distinguishes even shares from 90/10
    When page views are sampled through the ingress until the sequential test has decided
    Then analytics "1.0" and "1.1" each make up half of the answers

  @finalize @F1
  Scenario: One of a hundred answers is wrong
    Given {LEAK}
    When page views of users with the flag are sampled through the ingress
    Then every answer to users with the flag shows version "2.0"
"""
CONFTEST = """\
from dataclasses import replace
from itertools import cycle

import pytest
from pytest_bdd import given, then

from steps.voting.views import View

pytest_plugins = [
    "meshproof.plugin.options", "meshproof.plugin.run_folder", "meshproof.plugin.scenarios",
    "meshproof.plugin.quick", "meshproof.plugin.outcomes", "meshproof.plugin.lane_events",
    "meshproof.plugin.run_progress", "meshproof.plugin.reporting",
    "meshproof.plugin.allure_results", "meshproof.plugin.environment",
    "meshproof.plugin.evidence", "meshproof.plugin.tutorial",
    "meshproof.plugin.sampling", "meshproof.plugin.breakages",
    "meshproof.plugin.breakage_runs", "meshproof.plugin.preflight",
    "meshproof.plugin.lanes", "meshproof.plugin.traces", "meshproof.steps.strength",
    "meshproof.steps.answers",
    "steps.voting.shares", "steps.voting.flag",
]
VIEW = View(0.0, 0.0, 200, "a pod", "1.1", (0, 0), app="2.0")


def beside(options):
    return options.reports.with_suffix(".made")


def make(self):
    from meshproof.plugin.bring_up import Ground

    beside(self.options).write_text(f"asked what is left: {self.asked_what_is_left}")
    return Ground()


def at_once(ingress, count, users=("",)):
    # The last of 688 views, and no earlier one, is a leak.
    views = [replace(VIEW, app="1.0") if number == 688 else VIEW for number in range(1, count + 1)]
    return {user: views for user in users}


def evenly(ingress, test):
    views, versions = [], cycle(("1.0", "1.1"))
    while not test.decision(*(sum(v.version == each for v in views) for each in ("1.0", "1.1"))):
        views.append(replace(VIEW, version=next(versions)))
    return views


@pytest.hookimpl(tryfirst=True)
def pytest_configure():
    from steps.voting import samples
    from meshproof.plugin.bring_up import BringUp

    BringUp._make = make
    samples.sample_at_once, samples.sample_evenly = at_once, evenly


@pytest.fixture
def voting_app():
    pass


@pytest.fixture(scope="session")
def environment(ground):
    pass


@pytest.fixture(autouse=True)
def _environment_first(request):
    # As the suite's own, but there is no cluster whose state a failure could show.
    request.getfixturevalue("environment")


@given("a namespace of its own")
def _(options):
    with beside(options).open("a") as file:
        file.write(", and a namespace")


@then("it is kept")
def _(evidence):
    evidence.observe("5 of 5")
"""
MODULE = 'from pytest_bdd import scenarios\n\nscenarios("deploy.feature")\n'
SETTINGS = """\
[pytest]
addopts = --strict-markers --strict-config --import-mode=importlib
    -p no:cacheprovider -p no:hypothesispytest -ra
bdd_features_base_dir = features
filterwarnings = error
"""
BREAKAGE = str(BREAKAGES / "d3-two-app-pods.yaml")
LEFT_BEHIND = str(BREAKAGES / "a3-priority-class.yaml")
#: Each run's own arguments.
RUNS = {
    "full": ["features", "-n0", "-m", "not A3"],
    "quick": ["features", "-n0", "--quick"],
    "lanes": ["features", "-n2", "--quick"],
    "nothing left": ["features", "-n0", "--quick", "-m", "A1"],
    "nothing left in lanes": ["features", "-n2", "--quick", "-m", "A1"],
    "nothing less": ["features", "-n0", "--quick", "-m", "C1 and not A1 and not full"],
    "breakage": ["features", BREAKAGE, "-n0", "--quick"],
    # Of no folder here: nothing but its own argument leads to the settings of this one.
    "breakage alone": [LEFT_BEHIND, "-n0", "-p", "conftest"],
}
LONG_NODE = "features/test_deploy.py::test_it_takes_long"
KINDS = ["a leak of 1 % to be noticed", "an even split to be told from 90/10"]
TAKEN = ["(99 samples)", "from 90/10 with a power of 99 % (about "]


@dataclass(frozen=True)
class Ran:
    """One run: its exit code, the folder of its reports and what all runs printed."""

    code: int
    reports: Path
    output: str

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.reports / "signoff.json").read_text())
        return document

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdicts of what the suite has scenarios for."""
        return {row["id"]: row["verdict"] for row in self.document["expectations"]
                if row["scenarios"]}  # fmt: skip

    @property
    def scenarios(self) -> dict[str, dict[str, Any]]:
        rows = self.document["expectations"]
        return {one["name"]: one for row in rows for one in row["scenarios"]}

    @property
    def findings(self) -> list[dict[str, Any]]:
        return [one["scenario"] for one in self.document["findings"]]

    @property
    def made(self) -> str | None:
        """What was brought up, and what was made in it; None where nothing was."""
        file = self.reports.with_suffix(".made")
        return file.read_text() if file.exists() else None


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """All runs, by their names."""
    root = tmp_path_factory.mktemp("suite")
    (root / "features").mkdir()
    (root / "features" / "deploy.feature").write_text(FEATURE)
    (root / "features" / "test_deploy.py").write_text(MODULE)
    (root / "conftest.py").write_text(CONFTEST)
    (root / "pytest.ini").write_text(SETTINGS)
    (root / "state").mkdir()
    (root / "state" / "durations.json").write_text(
        json.dumps({LONG_NODE: [90.0, 92.3, 92.3, 95.0]})
    )
    (root / "reports").mkdir()
    runs = {
        name: [*typed, f"--reports={root / 'reports' / name}", "--no-allure-report"]
        for name, typed in RUNS.items()
    }
    codes, printed = run_all(root, runs, timeout=300)
    return {name: Ran(code, root / "reports" / name, printed) for name, code in codes.items()}


@pytest.mark.parametrize("name", ["quick", "lanes"])
@pytest.mark.parametrize(
    ("scenario", "why"),
    [
        ("Something else stands for it", "another scenario stands for C1"),
        ("It is not what the tutorial says", "it is a finding, which has no vote"),
    ],
)
def test_what_another_one_stands_for_and_findings_are_skipped_and_say_why(
    ran: dict[str, Ran], name: str, scenario: str, why: str
) -> None:
    assert f"{scenario} (0.0 s): Skipped: left out by --quick: {why}" in ran[name].output
    gone, full = (
        {one["name"]: one for one in [*ran[run].scenarios.values(), *ran[run].findings]}
        for run in (name, "full")
    )
    assert (gone[scenario]["outcome"], gone[scenario]["left_out"]) == ("skipped", True)
    assert (full[scenario]["outcome"], full[scenario]["left_out"]) == ("passed", False)


def test_what_takes_longest_is_skipped_and_says_why(ran: dict[str, Ran]) -> None:
    quick = ran["quick"]
    why = "Skipped: left out by --quick: it takes about 90 s in full"
    for name in ("It takes long", "It asks for the whole cluster"):
        assert quick.scenarios[name]["outcome"] == "skipped"
        assert quick.scenarios[name]["left_out"] is True
    assert quick.scenarios["It takes long"]["message"] == why
    assert not quick.scenarios["Something else proves it, too"]["left_out"]
    junit = ET.parse(quick.reports / "junit.xml").getroot()  # noqa: S314 - our own
    skips = {c.get("name"): c.find("skipped") for c in junit.iter("testcase")}
    skip = skips["test_it_takes_long"]
    assert skip is not None and skip.get("message") == why.removeprefix("Skipped: ")
    results = [json.loads(file.read_text()) for file in (quick.reports / RESULTS).glob("*-result*")]
    (allure,) = [result for result in results if result["name"] == "It takes long"]
    assert allure["status"] == "skipped"
    assert why in allure["statusDetails"]["message"]
    assert f"○ C1 A1 It takes long (0.0 s): {why}" in quick.output
    assert quick.document["reconciliation"]["differences"] == []


@pytest.mark.parametrize("name", ["quick", "lanes"])
def test_nothing_is_set_up_for_it_and_the_cluster_is_not_listed(
    ran: dict[str, Ran], name: str
) -> None:
    assert ran["full"].made == "asked what is left: False, and a namespace"
    assert ran[name].made == "asked what is left: False"


def test_the_cluster_is_listed_for_a_breakage_too_whose_scenarios_ask_what_is_left(
    ran: dict[str, Ran],
) -> None:
    assert ran["breakage alone"].made == "asked what is left: True"


@pytest.mark.parametrize("name", ["nothing left", "nothing left in lanes"])
def test_where_only_that_was_selected_nothing_is_brought_up_and_nothing_proved(
    ran: dict[str, Ran], name: str
) -> None:
    left = ran[name]
    assert left.made is None
    assert (left.document["verdict"], left.code) == ("partial", ExitCode.PARTIAL)
    assert left.verdicts == {"A1": "partial", "C1": "partial"}
    assert left.document["counts"]["skipped"] == left.document["counts"]["collected"] == 1


@pytest.mark.parametrize("name", ["quick", "lanes"])
def test_samples_are_weaker_and_each_scenario_says_so(ran: dict[str, Ran], name: str) -> None:
    always, even = (ran[name].scenarios[s] for s in ("Only one answers", "Both answer evenly"))
    full = ran["full"].scenarios
    assert "0 of 99 answers deviated" in always["observations"][0]
    assert "0 of 688 answers deviated" in full["Only one answers"]["observations"][0]
    for one, taken, asked in zip((always, even), TAKEN, KINDS, strict=True):
        (line,) = one["observations"]
        assert f"; weakened by --quick, a full run asks for {asked}" in line
        (kind,) = one["weakened"]
        assert kind["asked"].startswith(asked)
        assert taken in kind["taken"]
        assert "--quick" not in full[one["name"]]["observations"][0]
        assert full[one["name"]]["weakened"] == []


def test_a_weaker_sample_can_overlook_what_a_full_one_notices(ran: dict[str, Ran]) -> None:
    name = "One of a hundred answers is wrong"
    assert ran["full"].scenarios[name]["outcome"] == "failed"
    assert ran["quick"].scenarios[name]["outcome"] == "passed"


@pytest.mark.parametrize("name", ["quick", "lanes"])
def test_the_sign_off_says_what_was_left_out_and_what_was_weakened(
    ran: dict[str, Ran], name: str
) -> None:
    quick = ran[name].document["scope"]["quick"]
    assert quick["left_out"] == [
        {"id": "C1", "left_out": 2, "scenarios": 3},
        {"id": "A1", "left_out": 1, "scenarios": 1},
        {"id": "A3", "left_out": 1, "scenarios": 1},
    ]
    found = {kind["asked"]: kind["expectations"] for kind in quick["weakened"]}
    assert [any(asked.startswith(kind) for asked in found) for kind in KINDS] == [True, True]
    assert sorted(found.values()) == [["U2"], ["U5", "F1"]]
    assert ran["full"].document["scope"]["quick"] is None
    assert str(read(ran[name].reports).scope).endswith(" with --quick")


@pytest.mark.parametrize("name", ["quick", "lanes", "nothing less"])
def test_a_quick_run_is_partial_at_best(ran: dict[str, Ran], name: str) -> None:
    assert (ran[name].document["verdict"], ran[name].code) == ("partial", ExitCode.PARTIAL)


def test_what_was_proved_as_in_a_full_run_is_accepted_by_itself(ran: dict[str, Ran]) -> None:
    assert ran["nothing less"].verdicts == {"C1": "accepted"}
    assert ran["quick"].verdicts == {
        "U2": "partial", "U5": "partial", "C1": "partial", "F1": "partial", "A1": "partial",
        "A3": "partial",
    }  # fmt: skip


def test_the_output_says_what_a_quick_run_is_worth(ran: dict[str, Ran]) -> None:
    output = ran["quick"].output
    assert "Verdict: partial — scope: -m C1 and not A1 and not full with --quick\n" in output
    assert (
        "Left out by --quick: C1 (2 of 3 scenarios), A1, A3. Proved by weaker samples: U2, U5, F1."
    ) in output
    assert "Left out by --quick: nothing. Proved by weaker samples: none." in output


def test_a_scenario_that_sampled_less_leaves_no_time_for_later_runs(ran: dict[str, Ran]) -> None:
    state = ran["quick"].reports.parents[1] / "state" / "durations.json"
    kept = json.loads(state.read_text())
    by_runs = {node.rpartition("::test_")[2]: len(seconds) for node, seconds in kept.items()}
    # In the full run, and in each quick one that had the scenario.
    assert by_runs == {
        "it_takes_long": 5, "something_else_proves_it_too": 4, "only_one_answers": 1,
        "both_answer_evenly": 1, "something_else_stands_for_it": 1,
        "it_is_not_what_the_tutorial_says": 1,
    }  # fmt: skip


def test_breakages_are_refused_beside_it(ran: dict[str, Ran]) -> None:
    assert ran["breakage"].code == ExitCode.USAGE
    assert not (ran["breakage"].reports / "signoff.json").exists()
    assert "ERROR: --quick leaves out and weakens what must notice a breakage" in (
        ran["breakage"].output
    )
