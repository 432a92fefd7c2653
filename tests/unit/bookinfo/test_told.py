"""Pages that are viewed before logs are read: how many calls their answers prove."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from meshproof.errors import PromiseBroken
from meshproof.mesh.ingress import Answer, Ingress
from meshproof.probes import callers
from meshproof.probes.callers import callers_since
from meshproof.suite.tutorial import Tutorial
from meshproof.waiting import NotConverged, NotKept, Timeout
from steps.bookinfo import told
from steps.bookinfo.product_page import BLACK_STARS, NO_RATINGS, NO_REVIEWS, NO_STARS, RED_STARS
from steps.bookinfo.told import Viewed, view_by_both
from steps.bookinfo.views import View

AT_ONCE = Timeout("at-once", 0, 0.01, "nothing comes")


@pytest.mark.parametrize(
    ("shown", "calls"),
    [
        ([RED_STARS] * 41, 164),
        ([BLACK_STARS, NO_STARS], 4 + 3),
        ([NO_RATINGS, NO_REVIEWS], 3 + 2),
        ([], 0),
    ],
)
def test_a_page_proves_the_calls_that_it_shows_the_answers_of(shown: list[str], calls: int) -> None:
    assert Viewed(0.0, "marker", "reader", tuple(shown)).calls == calls


class Pages:
    """An ingress that answers in turn."""

    def __init__(self, problem: Callable[[int], str]) -> None:
        self.asked: list[str] = []
        self.problem = problem

    def request(self, method: str, path: str, *, headers: dict[str, str]) -> Answer:
        self.asked.append(f"{path} {headers['Cookie']}")
        return Answer(method, path, 200, self.problem(len(self.asked)), "", 0.01)


@pytest.fixture(autouse=True)
def _read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        told, "view_of", lambda at, page: View(at, 0.01, 200, "", RED_STARS, "", page.body)
    )


def test_one_is_viewed_by_its_marker_and_then_as_many_by_either_in_turn() -> None:
    pages = Pages(lambda _: "")
    viewed = view_by_both(cast(Ingress, pages), 2)
    first, *rest = pages.asked
    assert first == f"/productpage?{viewed.marker} session={viewed.marker}"
    assert rest == ["/productpage session=jason", f"/productpage session={viewed.reader}"] * 2
    assert viewed.shown == (RED_STARS,) * 5


def test_a_page_that_is_not_whole_is_a_broken_promise_before_any_log_is_read() -> None:
    pages = Pages(lambda turn: "a page without details" if turn == 4 else "")
    with pytest.raises(PromiseBroken, match="1 of 5 views failed: a page without details"):
        view_by_both(cast(Ingress, pages), 2)


def test_a_log_that_lacks_calls_which_were_answered_breaks_no_promise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Silent:
        cluster, namespace = None, "shop"

        def pods(self) -> list[object]:
            return []

        def calls(self, *_: object) -> list[object]:
            return []

    monkeypatch.setattr(callers, "places", lambda *_: [])
    monkeypatch.setattr(callers, "LOGS_WRITTEN", AT_ONCE)
    with pytest.raises(NotConverged, match="the proxies have logged 4 calls") as late:
        callers_since(cast(Tutorial, Silent()), Silent(), 0.0, "marker", 4)  # type: ignore[arg-type]
    assert not isinstance(late.value, NotKept)
