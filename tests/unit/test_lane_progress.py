"""What lanes tell of what they do, and what is read of it."""

from __future__ import annotations

import threading
from itertools import count
from pathlib import Path

import pytest

from meshproof.run.lane_progress import Event, Kind, Lane, LaneProgress, LaneReader, LaneSteps

NODE = "features/test_deploy.py::test_a_promise_is_kept"


@pytest.fixture
def lane(tmp_path: Path) -> LaneProgress:
    seconds = count()
    return LaneProgress(tmp_path, "gw0", clock=lambda: float(next(seconds)))


def after(folder: Path) -> Lane:
    """The lane after all that it told."""
    found = Lane("gw0")
    for _, event in LaneReader(folder).read():
        found.take(event)
    return found


def test_what_is_told_is_read_once(lane: LaneProgress, tmp_path: Path) -> None:
    reader = LaneReader(tmp_path)
    lane.begin(Kind.SCENARIO, NODE)
    assert reader.read() == [("gw0", Event(0.0, Kind.SCENARIO, 1, NODE))]
    assert reader.read() == []
    lane.note("starting over: “x”\nand more")
    assert reader.read() == [("gw0", Event(1.0, Kind.NOTE, 2, "starting over: “x”\nand more"))]


def test_lanes_are_read_in_the_order_of_time(tmp_path: Path) -> None:
    seconds = count()
    reader = LaneReader(tmp_path / "later")
    assert reader.read() == []
    lanes = [
        LaneProgress(tmp_path / "later", name, clock=lambda: float(next(seconds)))
        for name in ("gw1", "gw0")
    ]
    for text in ("a", "b"):
        for lane in lanes:
            lane.note(text)
    assert [(name, event.text) for name, event in reader.read()] == [
        ("gw1", "a"), ("gw0", "a"), ("gw1", "b"), ("gw0", "b"),
    ]  # fmt: skip


def test_a_line_that_is_not_whole_yet_waits_and_a_damaged_one_is_left_out(
    lane: LaneProgress, tmp_path: Path
) -> None:
    lane.note("first")
    file = tmp_path / "gw0.jsonl"
    whole = file.read_bytes()
    reader = LaneReader(tmp_path)
    file.write_bytes(whole + b"damaged\n\xff\n" + whole[:10])
    assert [event.text for _, event in reader.read()] == ["first"]
    assert reader.read() == []
    file.write_bytes(whole + b"damaged\n\xff\n" + whole)
    assert [event.text for _, event in reader.read()] == ["first"]


def test_lines_of_many_threads_stay_whole(lane: LaneProgress, tmp_path: Path) -> None:
    def work() -> None:
        for _ in range(50):
            with lane.during(Kind.WAIT, "x" * 500):
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = [event for _, event in LaneReader(tmp_path).read()]
    assert len(events) == 8 * 50 * 2
    assert len({event.number for event in events}) == 8 * 50
    assert after(tmp_path).running == {}


def test_a_full_disk_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "gw0.jsonl").symlink_to("/dev/full")
    lane = LaneProgress(tmp_path, "gw0")
    with lane.during(Kind.WAIT, "it is so"):
        pass
    lane.close()
    lane.close()
    lane.note("too late")


def test_what_began_last_is_what_a_lane_does(lane: LaneProgress, tmp_path: Path) -> None:
    assert after(tmp_path).doing == ""
    lane.begin(Kind.SCENARIO, NODE)
    assert (after(tmp_path).node, after(tmp_path).since) == (NODE, 0.0)
    assert after(tmp_path).doing == ""
    with lane.during(Kind.STEP, "Given a beginning"):
        assert after(tmp_path).doing == "Given a beginning"
        with LaneSteps(lane).step("tutorial: exposed"):
            assert after(tmp_path).doing == "tutorial: exposed"
            with lane.during(Kind.WAIT, "the page is served"):
                assert after(tmp_path).doing == "waiting until the page is served"
            LaneSteps(lane).note("a note")
            assert after(tmp_path).doing == "tutorial: exposed"
        assert after(tmp_path).doing == "Given a beginning"


def test_nothing_of_a_scenario_goes_on_after_it(lane: LaneProgress, tmp_path: Path) -> None:
    number = lane.begin(Kind.SCENARIO, NODE)
    lane.begin(Kind.WAIT, "the page is served")
    lane.end(Kind.SCENARIO, number, NODE)
    assert (after(tmp_path).node, after(tmp_path).doing) == (None, "")


def test_a_step_that_failed_says_so_and_lets_the_error_through(
    lane: LaneProgress, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt), LaneSteps(lane).step("install Istio"):
        raise KeyboardInterrupt
    assert [(event.ended, event.failed) for _, event in LaneReader(tmp_path).read()] == [
        (False, False), (True, True),
    ]  # fmt: skip
