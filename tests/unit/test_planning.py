"""Which lane runs what, and when a lane may begin what has the cluster to itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshproof.plugin.environment import LANE_INPUT
from meshproof.plugin.lanes import Lanes, LaneScheduling
from meshproof.plugin.planning import Plan, Turn, Work, work_of


def scenario(name: str, seconds: float = 1.0, **settings: Any) -> Work:
    return Work(name, settings.pop("turn", Turn.BY_STAGE), name, seconds, **settings)


def unit_test(name: str) -> Work:
    return Work(name, Turn.ANYWHERE, "test_module.py", needs_environment=False)


def plan_of(works: list[Work], lanes: int) -> Plan:
    """A plan in which it takes no lane any time to come to a suite."""
    return Plan(works, lanes, entering=0)


def all_of(plan: Plan, lane: int) -> list[str]:
    """All that a lane gets when it asks until there is nothing more."""
    taken: list[str] = []
    while tests := plan.next(lane):
        taken += tests
    return taken


def planned(file: str, root: Path) -> Work:
    """A test of this file in a project at this folder."""
    item = SimpleNamespace(
        nodeid=f"{file}::test_it",
        path=root / file,
        config=SimpleNamespace(rootpath=root),
        stash=pytest.Stash(),
        get_closest_marker=lambda _: None,
    )
    return work_of(cast("pytest.Item", item), lambda _: 7.0)


@pytest.mark.parametrize("folder", ["live", "thorough", "faults"])
def test_tests_on_a_mesh_go_a_module_at_a_time_and_need_it(folder: str) -> None:
    # The checkout's own place says nothing of its tests.
    root = Path("/live")
    file = f"tests/{folder}/test_a.py"
    assert planned(file, root) == Work(f"{file}::test_it", Turn.LIVE, file, 7.0)
    others = planned("tests/unit/test_a.py", root)
    assert (others.turn, others.needs_environment) == (Turn.ANYWHERE, False)


@given(
    st.lists(
        st.tuples(st.sampled_from(Turn), st.floats(0.1, 60), st.booleans(), st.integers(0, 3))
    ),
    st.lists(st.integers(0, 3), min_size=1),
)
def test_every_test_is_handed_out_exactly_once(
    drawn: list[tuple[Turn, float, bool, int]], order: list[int]
) -> None:
    works = [
        Work(f"{unit}::{number}", turn, str(unit), seconds, first and turn is Turn.BY_STAGE)
        for number, (turn, seconds, first, unit) in enumerate(drawn)
    ]
    plan = plan_of(works, 4)
    taken = [test for lane in order for test in plan.next(lane)]
    for lane in (3, 2, 1, 0):
        taken += all_of(plan, lane)
    assert sorted(taken) == sorted(work.node for work in works)
    assert plan.empty


def test_each_lane_has_a_part_of_the_stages_that_is_as_long() -> None:
    plan = plan_of([scenario(name) for name in "abcdef"], 3)
    assert [plan.next(lane) for lane in (0, 1, 2)] == [["a"], ["c"], ["e"]]
    assert [plan.next(lane) for lane in (0, 1, 2)] == [["b"], ["d"], ["f"]]


def test_what_one_lane_does_alone_is_the_first_ones() -> None:
    plan = Plan([scenario("a")], 3)
    assert [plan.next(lane) for lane in (2, 1, 0)] == [[], [], ["a"]]


def test_who_is_done_takes_over_from_the_end_of_the_longest_part() -> None:
    plan = plan_of([scenario("a"), scenario("b"), scenario("c"), scenario("d")], 2)
    assert all_of(plan, 1) == ["c", "d", "b", "a"]


def of(suite: str, *seconds: float) -> list[Work]:
    return [scenario(f"{suite} {number}", each, suite=suite) for number, each in enumerate(seconds)]


def test_a_suite_is_not_divided_where_coming_to_it_takes_longer_than_that_saves() -> None:
    works = [*of("voting", 30, 30, 30, 30), *of("bookinfo", 30, 30)]
    plan = Plan(works, 2, entering=60)
    assert plan.next(1) == ["bookinfo 0"]
    plan = Plan(works, 2, entering=20)
    assert plan.next(1) == ["voting 3"]


def test_what_one_lane_has_to_do_besides_counts() -> None:
    own = scenario("own", 60, turn=Turn.OWN)
    plan = Plan([own, *of("voting", 30, 30), *of("bookinfo", 30, 30)], 2, entering=20)
    assert all_of(plan, 1)[:2] == ["own", "bookinfo 1"]


def test_who_is_done_takes_over_only_what_is_worth_coming_to_its_suite_for() -> None:
    works = [*of("voting", 30, 30, 30, 30), *of("bookinfo", 100)]
    # Once it has come there, nothing more is lost.
    taken = ["bookinfo 0", "voting 3", "voting 2", "voting 1", "voting 0"]
    assert all_of(Plan(works, 2, entering=60), 1) == taken
    assert all_of(Plan(works, 2, entering=100), 1) == taken[:1]


def test_what_is_left_of_a_lane_that_is_done_is_taken_whatever_it_costs() -> None:
    works = [*of("voting", 30, 30), *of("bookinfo", 30, 30)]
    plan = Plan(works, 2, entering=1000)
    assert all_of(plan, 1) == ["bookinfo 0", "bookinfo 1"]
    plan.give_back(["bookinfo 0"])
    assert all_of(plan, 0) == ["voting 0", "voting 1", "bookinfo 0"]
    assert plan.empty


def test_what_only_the_first_lane_can_run_is_taken_by_no_other() -> None:
    plan = plan_of(
        [scenario("a", first_lane=True), scenario("b"), scenario("c", first_lane=True)], 2
    )
    assert all_of(plan, 1) == ["b"]
    assert all_of(plan, 0) == ["a", "c"]


def test_long_scenarios_in_namespaces_of_their_own_are_begun_first_by_other_lanes() -> None:
    works = [scenario("a"), scenario("own", 9, turn=Turn.OWN), scenario("b")]
    assert plan_of(works, 2).next(1) == ["own"]
    assert all_of(plan_of(works, 2), 0) == ["a", "b", "own"]


def test_what_has_the_cluster_to_itself_is_for_the_first_lane() -> None:
    plan = plan_of([scenario("alone", turn=Turn.EXCLUSIVE), scenario("a")], 2)
    assert all_of(plan, 1) == ["a"]
    assert all_of(plan, 0) == ["alone"]


def test_tests_of_a_module_stay_together() -> None:
    works = [Work(f"{module}::{n}", Turn.ANYWHERE, module) for n in (1, 2) for module in "xy"]
    plan = plan_of(works, 2)
    assert plan.next(0) == ["x::1", "x::2"]
    assert plan.next(1) == ["y::1", "y::2"]


@dataclass(eq=False)
class Worker:
    """A worker as the scheduling sees it, which runs a test once it knows what comes after it."""

    lane: int
    collection: list[str]
    queue: list[str] = field(default_factory=list)
    shutting_down: bool = False

    @property
    def workerinput(self) -> dict[str, int]:
        return {LANE_INPUT: self.lane}

    def send_runtest_some(self, indices: list[int]) -> None:
        self.queue += [self.collection[index] for index in indices]

    def shutdown(self) -> None:
        self.shutting_down = True

    @property
    def can_run(self) -> bool:
        return len(self.queue) > 1 or (bool(self.queue) and self.shutting_down)


def run_all(works: list[Work], lanes: int, order: list[int]) -> list[tuple[str, set[str]]]:
    """Run everything; each test with those that could have run at the same time."""
    collection = [work.node for work in works]
    scheduling = LaneScheduling(plan_of(works, lanes), collection, lanes)
    workers = [Worker(lane, collection) for lane in range(lanes)]
    for worker in workers:
        scheduling.add_node(worker)
        scheduling.add_node_collection(worker, collection)
    scheduling.schedule()
    ran: list[tuple[str, set[str]]] = []
    for turn in range(10 * len(works) + 10 * lanes):
        if scheduling.tests_finished:
            for worker in workers:
                worker.shutdown()
        worker = workers[order[turn % len(order)] % lanes]
        if worker.can_run:
            others = {other.queue[0] for other in workers if other is not worker and other.can_run}
            test = worker.queue.pop(0)
            ran.append((test, others))
            scheduling.mark_test_complete(worker, collection.index(test))
        elif worker.shutting_down and not worker.queue and worker in scheduling.nodes:
            assert scheduling.remove_node(worker) is None
    assert scheduling.tests_finished and not scheduling.has_pending
    return ran


@given(
    st.lists(st.sampled_from(Turn), max_size=12),
    st.integers(1, 3),
    st.lists(st.integers(0, 2), min_size=3).filter(lambda order: {0, 1, 2} <= set(order)),
)
def test_all_is_run_and_nothing_beside_what_has_the_cluster_to_itself(
    turns: list[Turn], lanes: int, order: list[int]
) -> None:
    works = [Work(str(number), turn, str(number)) for number, turn in enumerate(turns)]
    ran = run_all(works, lanes, order)
    assert sorted(test for test, _ in ran) == sorted(work.node for work in works)
    alone = {work.node for work in works if work.turn is Turn.EXCLUSIVE}
    assert not any(others for test, others in ran if test in alone)
    assert not any(others & alone for _, others in ran)


def test_a_lane_that_dies_leaves_what_it_was_given_to_others() -> None:
    works = [scenario("a"), scenario("b"), scenario("c"), scenario("d")]
    collection = [work.node for work in works]
    scheduling = LaneScheduling(plan_of(works, 2), collection, 2)
    first, second = Worker(0, collection), Worker(1, collection)
    for worker in (first, second):
        scheduling.add_node(worker)
        scheduling.add_node_collection(worker, collection)
    scheduling.schedule()
    assert (first.queue, second.queue) == (["a", "b"], ["c", "d"])
    assert scheduling.remove_node(first) == "a"
    for test in ("c", "d"):
        scheduling.mark_test_complete(second, collection.index(test))
    assert second.queue[2:] == ["b"]


def test_a_worker_that_collected_something_else_is_refused() -> None:
    scheduling = LaneScheduling(plan_of([scenario("a")], 1), ["a"], 1)
    worker = Worker(0, ["a"])
    scheduling.add_node(worker)
    with pytest.raises(RuntimeError, match="other tests"):
        scheduling.add_node_collection(worker, ["b"])


@pytest.mark.parametrize(("work", "own"), [(scenario("a"), True), (unit_test("a"), False)])
def test_what_needs_no_environment_is_left_to_xdist(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch, work: Work, own: bool
) -> None:
    monkeypatch.setattr(pytestconfig.option, "numprocesses", 2)
    lanes = Lanes(pytestconfig)
    lanes.works = [work]
    assert isinstance(lanes.pytest_xdist_make_scheduler(pytestconfig), LaneScheduling) is own
