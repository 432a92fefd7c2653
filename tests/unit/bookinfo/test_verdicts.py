"""What samples of pages, answers of ratings and logs are held against."""

from __future__ import annotations

import json
from collections import Counter
from itertools import cycle, islice

import pytest

from meshproof.analysis.lived_through import all_served, saw_alone
from meshproof.analysis.sampling import ALPHA
from meshproof.analysis.strength import AlwaysDemand, EvenDemand
from meshproof.analysis.timeline import Request, Step, Timeline
from meshproof.mesh import ingress
from meshproof.probes.api_resources import Item
from steps.bookinfo import inside, leftovers, told
from steps.bookinfo.inside import Answer, Answers
from steps.bookinfo.product_page import BLACK_STARS, NO_REVIEWS, NO_STARS, RED_STARS, VERSIONS
from steps.bookinfo.readers import EVERYONE_ELSE, HIS_OWN, JASON, NEAR_MISSES, signed_in
from steps.bookinfo.told import Entry
from steps.bookinfo.verdicts import Attempts, PageSample, ShareSample, each_seen
from steps.bookinfo.views import View, decided_by, view_of

DEMAND = AlwaysDemand(0.1, 0.99)  # 44 samples
KINDS = (NO_STARS, RED_STARS)
EITHER = " or ".join(KINDS)


def view(shown: str, seconds: float = 0.02, problem: str = "") -> View:
    return View(0.0, seconds, 200, "", shown, f"reviews-{VERSIONS.get(shown, 'v2')}-x", problem)


def pages(*shown: str) -> PageSample:
    return PageSample({JASON: [view(one) for one in shown]}, {JASON: DEMAND})


def test_a_view_that_is_no_page_has_its_problem() -> None:
    failed = view_of(1.0, ingress.Answer("GET", "http://x/productpage", 503, "sorry", "", 0.1))
    assert (failed.shown, failed.problem) == (
        "", "GET http://x/productpage: HTTP 503 after 100 ms")  # fmt: skip
    other = view_of(
        1.0, ingress.Answer("GET", "http://x/productpage", 200, "<p>hello</p>", "", 0.1)
    )
    assert other.problem.startswith("not the product page")


def test_pages_hold_only_where_all_of_enough_show_it() -> None:
    assert not pages(*[BLACK_STARS] * 44).show(JASON, BLACK_STARS).problem
    few = pages(*[BLACK_STARS] * 43).show(JASON, BLACK_STARS)
    assert "too few to say" in few.problem
    one = pages(*[BLACK_STARS] * 43, NO_STARS).show(JASON, BLACK_STARS)
    assert one.problem.startswith("jason: not all show black stars: 1 of 44 pages deviated")
    assert "first: starless reviews, reviews served by reviews-v1-x" in one.problem


def test_one_page_that_comes_late_is_late() -> None:
    quick = [view(NO_STARS)] * 43
    sample = PageSample({EVERYONE_ELSE: [*quick, view(NO_STARS, 3.5)]}, {EVERYONE_ELSE: DEMAND})
    assert "1 of 44 pages deviated" in sample.come(EVERYONE_ELSE, 0, 3).problem
    assert not sample.come(EVERYONE_ELSE, 0, 4).problem
    assert sample.come(EVERYONE_ELSE, 1, 4).problem


def share(*shown: str) -> ShareSample:
    return ShareSample([view(one) for one in shown], EvenDemand(0.9, 0.9, ALPHA))


def test_shares_are_judged_by_what_came_until_they_were_decided() -> None:
    even = list(islice(cycle(KINDS), 40))
    decided = decided_by([view(one) for one in even], share().demand.test, KINDS)
    assert 0 < decided < 40
    # What was asked for beside the last that counts changes nothing.
    assert not share(*even, *[RED_STARS] * 40).even(*KINDS).problem
    assert "too few to say" in share(*even[: decided - 1]).even(*KINDS).problem
    assert "not even, decided by the last" in share(*[RED_STARS] * 40).even(*KINDS).problem


def test_a_page_of_neither_kind_counts_for_that_and_no_share() -> None:
    mixed = share(NO_STARS, BLACK_STARS, RED_STARS)
    assert mixed.show("readers", EITHER).problem.startswith(
        "1 of 3 pages are neither, first: black stars"
    )
    assert not share(NO_STARS, RED_STARS).show("readers", EITHER).problem
    assert share().show("readers", EITHER).problem
    views = [view(BLACK_STARS)] * 1000
    assert decided_by(views, share().demand.test, KINDS) == 0


def test_each_kind_must_come_and_no_other() -> None:
    all_kinds = [view(one) for one in VERSIONS]
    assert not each_seen(all_kinds, tuple(VERSIONS)).problem
    assert each_seen(all_kinds[1:], tuple(VERSIONS)).problem
    assert each_seen([*all_kinds, view(NO_REVIEWS)], tuple(VERSIONS)).problem


def test_near_misses_are_told_by_name() -> None:
    seen = [(one, [view(BLACK_STARS)]) for one in HIS_OWN]
    seen += [(one, [view(NO_STARS)]) for one in NEAR_MISSES]
    assert not Attempts(seen).show(JASON, BLACK_STARS).problem
    assert not Attempts(seen).show(EVERYONE_ELSE, NO_STARS).problem
    wrong = [(one, [view(BLACK_STARS)] * 3) for one, _ in seen if one.name == "signed in as jasonx"]
    kept = [(one, views) for one, views in seen if one.name != "signed in as jasonx"]
    told = Attempts([*kept, *wrong]).show(EVERYONE_ELSE, NO_STARS).problem
    assert told == "signed in as jasonx: black stars 3, not starless reviews"
    assert Attempts(kept[:3]).show(EVERYONE_ELSE, NO_STARS).problem == (
        "nobody asked as everyone else"
    )


def test_every_attempt_has_a_name_of_its_own() -> None:
    names = [one.name for one in (*HIS_OWN, *NEAR_MISSES)]
    assert len(names) == len(set(names))
    assert all(one.is_jason for one in HIS_OWN)
    assert not any(one.is_jason for one in NEAR_MISSES)
    assert signed_in("jason,anna") == {"Cookie": "session=jason%2Canna"}


@pytest.mark.parametrize(
    ("seconds", "wrong"), [(6.1, False), (5.96, False), (5.0, True), (7.6, True)]
)
def test_slow_pages_come_when_they_must(seconds: float, wrong: bool) -> None:
    slow = PageSample({JASON: [view(NO_REVIEWS, seconds)]}, {})
    assert bool(slow.come(JASON, 6, 7.5).problem) is wrong
    assert not slow.show(JASON, NO_REVIEWS).problem
    assert "1 of 1 pages do not" in slow.show(JASON, BLACK_STARS).problem
    assert PageSample({JASON: []}, {}).come(JASON, 6, 7.5).problem


def test_what_ratings_answer_jason_has_a_status_and_a_time() -> None:
    late = [Answer(200, 7.01)] * 10
    assert not Answers({JASON: late}, {}).come(JASON, 7, 8.5).problem
    soon = Answers({JASON: [*late, Answer(200, 0.01)]}, {})
    assert soon.come(JASON, 7, 8.5).problem == (
        "11 answers to jason: HTTP 200 11, after 0.01 to 7.01 s, not all within 7 to 8.5 s; "
        "first: HTTP 200 after 0.01 s; in all: HTTP 200 11"
    )
    assert not soon.show(JASON, "status 200").problem
    failed = Answers({JASON: [Answer(503, 0.01)] * 10}, {})
    assert "10 answers to jason: HTTP 503 10" in failed.show(JASON, "status 500").problem
    assert Answers({JASON: []}, {}).show(JASON, "status 200").problem


def test_everyone_else_is_answered_at_once_often_enough() -> None:
    def others(*answers: Answer) -> str:
        given = Answers({EVERYONE_ELSE: answers}, {EVERYONE_ELSE: DEMAND})
        return "\n".join(
            (
                given.come(EVERYONE_ELSE, 0, 1.5).problem,
                given.show(EVERYONE_ELSE, "status 200").problem,
            )
        ).strip()

    assert not others(*[Answer(200, 0.01)] * 44)
    assert "too few" in others(*[Answer(200, 0.01)] * 6)
    assert "6 of 6 answers deviated" in others(*[Answer(200, 7.0)] * 6)
    assert "1 of 44 answers deviated" in others(
        *[Answer(200, 0.01)] * 43, Answer(None, 0.1, "gone")
    )
    everybody = {JASON: [Answer(200, 0.1)], EVERYONE_ELSE: [Answer(500, 0.1)]}
    assert inside.unharmed(everybody, 1.5).problem.startswith(
        "1 of 2 answers were otherwise before"
    )
    assert inside.unharmed({JASON: [], EVERYONE_ELSE: [Answer(200, 0.1)]}, 1.5).problem


def line(time: str, user: str | None) -> str:
    return json.dumps({"time": time, "event": "request", "end_user": user, "path": "/reviews/0"})


def test_requests_are_read_out_of_a_components_log() -> None:
    log = "\n".join(
        [line("1", "jason"), "Traceback", json.dumps({"event": "serving"}), line("2", None)]
    )
    assert told.entries_in(log) == [Entry("1", "jason"), Entry("2", "")]


def test_what_was_logged_before_the_marker_is_left_out() -> None:
    entries = {
        "details v1": [Entry("1", "jason"), Entry("2", "marker"), Entry("4", "jason")],
        "reviews v1": [Entry("3", "marker"), Entry("5", "reader")],
    }
    assert told.since_marker(entries, "marker") == {
        "details v1": [Entry("4", "jason")],
        "reviews v1": [Entry("5", "reader")],
    }


def test_each_workload_was_asked_for_whom_it_must_be() -> None:
    entries = {"reviews v1": [Entry("1", "reader")] * 2, "reviews v2": [Entry("1", "jason")] * 2}
    wanted = {"reviews v1": (0, 2), "reviews v2": (2, 0)}
    assert not told.held_against(entries, "reader", wanted).problem
    assert told.held_against(entries, "reader", {**wanted, "reviews v2": (0, 0)}).problem == (
        "reviews v1: 0 for jason, 2 for everyone else; reviews v2: 2 for jason, 0 for everyone else"
    )
    stranger = {**entries, "reviews v1": [*entries["reviews v1"], Entry("1", "eve")]}
    assert told.held_against(stranger, "reader", wanted).problem == "1 request that nobody made"


def test_pods_logged_as_many_requests_as_pages_showed_their_stars() -> None:
    entries = {
        "reviews v1": [Entry("1", "r")] * 2,
        "reviews v2": [],
        "reviews v3": [Entry("1", "r")],
    }
    assert not told.served_as_shown(entries, "r", Counter(v1=2, v3=1)).problem
    assert told.served_as_shown(entries, "r", Counter(v1=2, v3=2)).problem
    assert told.served_as_shown(entries, "r", Counter(v1=2, v2=1)).problem
    assert told.served_as_shown({}, "r", Counter()).problem


def request(user: str, at: float, shown: str, problem: str = "") -> Request:
    return Request(at, 0.01, user, "GET", 200, shown, "pod", "", "", "", problem)


STEPS = (Step("all-v1: x", 1, 2), Step("half-v3: x", 5, 6), Step("all-v3: x", 8, 9))


def test_readers_see_one_kind_alone_between_two_stages() -> None:
    shown = {0: RED_STARS, 3: NO_STARS, 4: NO_STARS, 7: RED_STARS, 10: RED_STARS}
    seen = [request("readers, x", at, kind) for at, kind in shown.items()]
    jason = request("jason, x", 3.5, BLACK_STARS)
    timeline = Timeline(STEPS, [*seen, jason])
    between, to_the_end = 'from stage "all-v1" until stage "half-v3"', 'from stage "all-v3" on'
    assert not saw_alone(timeline, "readers", NO_STARS, between).problem
    assert not saw_alone(timeline, "readers", RED_STARS, to_the_end).problem
    other = Timeline(STEPS, [*seen, request("readers, x", 4.5, BLACK_STARS)])
    assert "1 of 3 were other" in saw_alone(other, "readers", NO_STARS, between).problem
    assert saw_alone(Timeline(STEPS, [jason]), "readers", RED_STARS, to_the_end).problem


def test_no_view_may_fail_and_some_must_have_been_made() -> None:
    assert not all_served(Timeline(STEPS, [request("readers", 1, NO_STARS)])).problem
    assert all_served(Timeline(STEPS, [])).problem
    assert all_served(Timeline((), [request("readers", 1, NO_STARS)])).problem
    failed = Timeline(STEPS, [request("readers", 1.5, "", "HTTP 503")])
    assert "HTTP 503, after 10 ms, during: all-v1: x" in all_served(failed).problem


def test_what_is_a_tutorials_is_found_wherever_it_is() -> None:
    def item(kind: str, namespace: str, name: str, tutorial: str = "") -> Item:
        return Item(kind, namespace, name, "u", "/p", True, "", tutorial)

    items = [
        item("Namespace", "", "books"), item("Service", "books", "reviews"),
        item("Lease", "mesh", "x", "books"), item("Namespace", "", "other"),
        item("Service", "books-2", "reviews"),
    ]  # fmt: skip
    assert len(leftovers.of_tutorial(items, "books")) == 3
    assert leftovers.some([]).problem and not leftovers.some(["x"]).problem
