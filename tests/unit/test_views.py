from __future__ import annotations

import json

import pytest

from meshproof.probes.ingress import FLAG, Ingress, Response
from meshproof.probes.page import read_text
from meshproof.probes.views import as_lines, deviations, sample_in_turn, versions_of, view_of

PAGE = """
<p id="version">version: 1.0</p>
<p id="host">host: voting-app-1-0-x</p>
<p id="store">store: redis</p>
<div id="results"> {text} </div>
"""


def response(text: str, status: int = 200) -> Response:
    return Response("GET", "http://127.0.0.1/", status, PAGE.format(text=text), "", 0.01)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Cats: 2 | Dogs: 4", ("1.0", (2, 4))),
        ("Cats: 2/6 (33%) | Dogs: 4/6 (67%)", ("1.1", (2, 4))),
        ("Cats: 0/0 (0%) | Dogs: 0/0 (0%)", ("1.1", (0, 0))),
        ("Cats: 2/6 (33%) | Dogs: 4/7 (67%)", None),
        ("Cats: 2/6 (33%) | Dogs: 3/6 (67%)", None),
        ("Cats: 2 | Dogs: 4 ", None),
        ("Cats: 2 | Dogs: 4/6 (67%)", None),
        ("", None),
    ],
)
def test_the_format_of_the_text_tells_the_version(
    text: str, read: tuple[str, tuple[int, int]] | None
) -> None:
    assert read_text(text) == read


def test_a_view_keeps_version_counts_and_pod() -> None:
    view = view_of(0.5, response("Cats: 1/4 (25%) | Dogs: 3/4 (75%)"))
    assert (view.version, view.counts, view.source) == ("1.1", (1, 3), "voting-app-1-0-x")
    assert (view.problem, view.app) == ("", "1.0")
    assert str(view) == "app 1.0, analytics 1.1 at 0.50 s, from pod voting-app-1-0-x"


@pytest.mark.parametrize(
    "answer",
    [
        response("Cats: 1 | Dogs: 3", status=503),
        response("something else"),
        Response("GET", "http://127.0.0.1/", None, "", "ConnectionError: refused", 0.0),
    ],
)
def test_a_view_of_anything_else_has_no_version_and_says_why(answer: Response) -> None:
    view = view_of(0.5, answer)
    assert (view.version, view.counts) == (None, None)
    assert view.problem


def test_deviations_are_all_that_show_no_allowed_version() -> None:
    views = [
        view_of(0, response("Cats: 1 | Dogs: 1")),
        view_of(1, response("Cats: 1/2 (50%) | Dogs: 1/2 (50%)")),
        view_of(2, response("Cats: 1 | Dogs: 1", status=503)),
    ]
    assert versions_of(views) == {"1.0": 1, "1.1": 1, None: 1}
    assert deviations(views, ["1.1"]) == [views[0], views[2]]
    assert deviations(views, ["1.0", "1.1"]) == [views[2]]


def test_evidence_is_one_json_object_a_line() -> None:
    lines = as_lines([view_of(0, response("Cats: 1 | Dogs: 1"))]).splitlines()
    assert [json.loads(line)["version"] for line in lines] == ["1.0"]


class Gateway(Ingress):
    """Serves the app 2.0 to who holds the flag, and remembers who asked."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1")
        self.asked: list[dict[str, str] | None] = []

    def view(self, *, headers: dict[str, str] | None = None) -> Response:
        self.asked.append(headers)
        page = PAGE.replace("1.0", "2.0") if headers else PAGE
        return Response("GET", self.url, 200, page.format(text="Cats: 1 | Dogs: 1"), "", 0.01)


def test_users_view_the_page_in_turn() -> None:
    gateway = Gateway()
    views = sample_in_turn(gateway, 3, {"with": FLAG, "without": {}})
    assert gateway.asked == [FLAG, {}] * 3
    assert {user: [view.app for view in seen] for user, seen in views.items()} == {
        "with": ["2.0"] * 3,
        "without": ["1.0"] * 3,
    }
