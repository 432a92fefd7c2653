from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from meshproof.paths import PROJECT
from steps.voting.voting_page import Page, parse_page, problem_of

sys.path.insert(0, str(PROJECT / "images" / "voting"))

from voting.analytics_client import Report
from voting.counts import Counts, share_text, simple_text
from voting.errors import Dependency, UnavailableError
from voting.page import Page as VotingPage

POD = "voting-app-1-0-5c4-x7k2p"
HTML = f"""
<html><body>
  <div id="results">Cats: 2 | Dogs: 4</div>
  <ul><li id="version">version: 1.0</li><li id="host"> host: {POD} </li>
  <li id="store">store: <b>redis</b></li></ul>
</body></html>
"""
PAGE = Page("1.0", POD, "redis", "Cats: 2 | Dogs: 4")


def test_a_page() -> None:
    page = parse_page(HTML)
    assert page == PAGE
    assert page.counts == (2, 4)
    assert str(page) == f"1.0 on {POD}, store redis: “Cats: 2 | Dogs: 4”"


@pytest.mark.parametrize(("format_of", "version"), [(simple_text, "1.0"), (share_text, "1.1")])
def test_the_applications_own_page(format_of: Callable[[Counts], str], version: str) -> None:
    text = format_of(Counts(2, 4))
    served = VotingPage("1.0", POD, "redis").render(
        flag=False, report=Report(Counts(2, 4), text), status="All votes are reset to zero."
    )
    page = parse_page(served)
    assert page == Page("1.0", POD, "redis", text)
    assert (page.analytics, page.counts) == (version, (2, 4))


def test_what_the_applications_own_page_says_went_wrong() -> None:
    error = UnavailableError(Dependency.STORAGE, "no connection")
    page = VotingPage("1.0", POD, "redis")
    assert problem_of(page.render(flag=False, error=error)) == error.sentence
    assert problem_of(page.render(flag=False)) == problem_of("") == ""


@pytest.mark.parametrize("name", ["version", "host", "store", "results"])
def test_another_page_names_what_is_missing(name: str) -> None:
    with pytest.raises(ValueError, match=f"not the voting page: it has no “{name}”"):
        parse_page(HTML.replace(f'id="{name}"', ""))


@pytest.mark.parametrize("name", ["version", "host", "store"])
def test_a_field_that_says_something_else(name: str) -> None:
    with pytest.raises(ValueError, match=f"does not begin with “{name}:”"):
        parse_page(HTML.replace(f"{name}:", "other:"))


@pytest.mark.parametrize(
    ("body", "shown"),
    [("", "nothing"), ("no healthy\nupstream", "“no healthy⟨new line⟩upstream”"),
     ('{"cats": 2, "dogs": 4}', '“{"cats": 2, "dogs": 4}”')],
)  # fmt: skip
def test_what_is_no_page_at_all_is_shown(body: str, shown: str) -> None:
    with pytest.raises(ValueError, match="not the voting page") as refused:
        parse_page(body)
    assert str(refused.value).endswith(f"it begins with {shown}")


def test_of_a_long_page_only_the_beginning_is_shown() -> None:
    with pytest.raises(ValueError, match="not the voting page") as refused:
        parse_page("<p>" + "x" * 100_000)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("results", "version", "counts"),
    [
        ("Cats: 0 | Dogs: 0", "1.0", (0, 0)),
        ("Cats: 12 | Dogs: 345", "1.0", (12, 345)),
        ("Cats: 2/6 (33%) | Dogs: 4/6 (67%)", "1.1", (2, 4)),
        ("Cats: 0/0 (0%) | Dogs: 0/0 (0%)", "1.1", (0, 0)),
        ("Cats: 2/6 (33%) | Dogs: 4/7 (67%)", None, None),
        ("Cats: 2/5 (33%) | Dogs: 4/5 (67%)", None, None),
        ("Cats: 2/6 | Dogs: 4/6", None, None),
        ("Cats: 2 | Dogs: 4/6 (67%)", None, None),
        ("Cats: 2 | Dogs: 4 | Birds: 1", None, None),
        ("Votes: Cats: 2 | Dogs: 4", None, None),
        ("Dogs: 4 | Cats: 2", None, None),
        ("cats: 2 | dogs: 4", None, None),
        ("Cats:2|Dogs:4", None, None),
        ("Cats: 2 | Dogs: -4", None, None),
        ("Cats: 2 | Dogs: 4.0", None, None),
        ("Cats: 2 | Dogs: ", None, None),
        ("Cats: 2 | Dogs: 4\n", None, None),
        ("", None, None),
    ],
)
def test_analytics_are_told_by_one_exact_format_each(
    results: str, version: str | None, counts: tuple[int, int] | None
) -> None:
    page = Page("1.0", POD, "redis", results)
    assert (page.analytics, page.counts) == (version, counts)
