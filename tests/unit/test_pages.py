from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from meshproof.analysis.sampling import AlwaysClaim, EvenClaim
from meshproof.analysis.timeline import Request, Step, Timeline
from meshproof.analysis.weakening import Weakening
from meshproof.signoff.chart import chart, counted
from meshproof.signoff.document import SignOff
from meshproof.signoff.evidence import Evidence, Kept
from meshproof.signoff.lines import line_of, stops_of, worst
from meshproof.signoff.pages import (
    EMBEDDED_LIMIT,
    PAGE_LIMIT,
    TEXT_LIMIT,
    cell,
    page,
    seconds,
    size,
    summary,
    write_page,
    write_summary,
)
from meshproof.signoff.reconciliation import Reconciliation
from meshproof.signoff.signoff import Run, Scope, sign_off
from meshproof.signoff.verdict import Outcome, ScenarioResult, Verdict
from meshproof.wording import STRUCK
from tests.suites import DEVIATIONS, IDS, SUITE

NASTY = "<script>alert('x')</script> & | `tick` *"
DEVIATION = "behind the name mysql is Debian's MariaDB"


def result(name: str, identifier: str, **more: Any) -> ScenarioResult:
    values: dict[str, Any] = {"outcome": Outcome.PASSED, "node": f"features/x.py::{name}", **more}
    return ScenarioResult(name, "Feature", (identifier,), **values)


def document(reports: Path, *results: ScenarioResult, **more: Any) -> SignOff:
    environment = {
        "kubernetes": "v1.37.2",
        "istio": "1.31",
        "images": {"localhost/voting/app:1.0": "sha256:abc"},
        "deviations": [DEVIATION],
    }
    values: dict[str, Any] = {
        "collected": len(results), "environment": environment, "reports": reports, **more,
    }  # fmt: skip
    values = {"scope": Scope(("deploy",), None), **values}
    return sign_off(Run(results=results, started=0.0, seconds=61.0, **values))


def soup(reports: Path, *results: ScenarioResult, **more: Any) -> BeautifulSoup:
    return BeautifulSoup(page(document(reports, *results, **more), reports), "html.parser")


def kept(reports: Path, content: str = "3 of 5", name: str = "pods") -> tuple[Kept, ...]:
    evidence = Evidence(reports / "evidence" / name)
    evidence.text(name, content)
    return tuple(evidence.pieces)


# The first screen.


def test_the_first_screen_says_the_verdict_what_was_tested_and_what_is_not_the_default(
    tmp_path: Path,
) -> None:
    header = soup(tmp_path, result("kept", "D1")).find("header")
    assert header
    text = header.get_text(" ", strip=True)
    for said in ("partial", "sections deploy", "v1.37.2", "1.31", DEVIATION, "sha256:abc",
                 "1970-01-01T00:00:00+00:00", "61.0 s", "1 scenarios collected"):  # fmt: skip
        assert said in text, said


def test_a_selection_is_called_a_part(tmp_path: Path) -> None:
    found = sign_off(Run((), 0, Scope(("deploy",), "-m D1"), {}, 0.0, 0.0))
    assert "this is no sign-off of the whole tutorial" in page(found, tmp_path)


WEAKER = Weakening("a leak of 1 % | all", "a leak of <3 %>", "37 of 100 runs miss it")


def quick(*results: ScenarioResult) -> SignOff:
    return sign_off(Run(
        results, len(results), Scope(("deploy",), "-m deploy", quick=True), {}, 0.0, 1.0
    ))  # fmt: skip


def quick_results() -> tuple[ScenarioResult, ...]:
    skipped = result("gone", "D1", outcome=Outcome.SKIPPED, message="too long", left_out=True)
    some = result("half", "D2", outcome=Outcome.SKIPPED, message="too long", left_out=True)
    return skipped, some, result("kept", "D2"), result("sampled", "D3", weakened=(WEAKER,))


def test_a_quick_run_says_first_what_was_left_out_and_weakened(tmp_path: Path) -> None:
    found = BeautifulSoup(page(quick(*quick_results()), tmp_path), "html.parser")
    header = found.find("header")
    assert header
    text = header.get_text(" ", strip=True)
    assert "-m deploy with --quick" in text
    assert "look before a merge" in text
    part = header.find("section", {"aria-labelledby": "quick"})
    assert part
    links = {link.get_text(): link["href"] for link in part.find_all("a")}
    assert links == {"D1": "#D1", "D2 (1 of 2 scenarios)": "#D2", "D3": "#D3"}
    cells = [td.get_text() for td in part.find_all("td")]
    assert cells == ["D3", WEAKER.asked, WEAKER.taken, WEAKER.misses]
    assert "tox run -e acceptance -- -m deploy --quick" in found.get_text()


def test_so_does_its_summary(tmp_path: Path) -> None:
    text = summary(quick(*quick_results()))
    assert "Left out: D1, D2 (1 of 2 scenarios)." in text
    assert "| D3 | a leak of 1 % \\| all | a leak of \\<3 %\\> | 37 of 100 runs miss it |" in text
    assert "What did not pass" not in text
    assert "No sample was weaker than in a full run." not in text


def test_a_quick_run_that_made_nothing_less_says_so(tmp_path: Path) -> None:
    found = quick(result("kept", "D1"))
    for text in (page(found, tmp_path), summary(found)):
        assert "Left out: nothing." in text
        assert "No sample was weaker than in a full run." in text


def test_a_full_run_says_nothing_of_it(tmp_path: Path) -> None:
    for text in (page(document(tmp_path), tmp_path), summary(document(tmp_path))):
        assert "quick" not in text


def test_what_broke_and_what_differs_stands_on_the_first_screen(tmp_path: Path) -> None:
    broken = result("broken", "D1", outcome=Outcome.ERROR, message="The node is gone.\n$ docker ps")
    other = replace(broken, node="features/x.py::other")
    differing = Reconciliation(1, None, ("junit.xml cannot be read",))
    header = soup(tmp_path, broken, other, reconciliation=differing).find("header")
    assert header
    text = header.get_text(" ", strip=True)
    assert "The node is gone. (2 scenarios)" in text
    assert "The reports differ: junit.xml cannot be read" in text
    assert "inconclusive" in text


def test_an_environment_that_never_came_up_is_said_to_be_unknown(tmp_path: Path) -> None:
    header = soup(tmp_path, environment={}).find("header")
    assert header
    assert header.get_text().count("the environment did not come up") == 2


# The rest of the page.


def test_every_expectation_is_there_with_its_verdict(tmp_path: Path) -> None:
    found = soup(tmp_path, result("kept", "D1"), result("lost", "D2", outcome=Outcome.FAILED))
    articles = {a["id"]: a.get_text(" ", strip=True) for a in found.find_all("article")}
    assert list(articles) == list(IDS)
    assert articles["D1"].startswith("D1 ✔ accepted")
    assert articles["D2"].startswith("D2 ✘ rejected")
    assert articles["D3"].startswith("D3 ○ unproved")
    assert articles["U1"].startswith("U1 · out of scope")


def test_a_scenario_shows_what_was_observed_why_it_failed_and_its_evidence(tmp_path: Path) -> None:
    failed = result(
        "pods", "D3", outcome=Outcome.FAILED, message="3 of 5 pods", observations=("5 wanted",),
        evidence=kept(tmp_path, "NAME READY"), stages=("deployed",), example={"stage": "deployed"},
    )  # fmt: skip
    article = soup(tmp_path, failed).find(id="D3")
    assert article
    text = article.get_text(" ", strip=True)
    for said in ("pods [deployed]", "3 of 5 pods", "5 wanted", "NAME READY"):
        assert said in text, said


def test_a_scenario_of_two_expectations_is_shown_once_and_linked_to(tmp_path: Path) -> None:
    both = replace(result("both", "D1", observations=("5 of 5",)), ids=("D1", "D4"))
    found = soup(tmp_path, both)
    assert found.get_text().count("5 of 5") == 1
    article = found.find(id="D4")
    assert article
    link = article.find("a")
    assert link
    assert found.find(id=str(link["href"]).removeprefix("#"))


def test_links_within_the_page_lead_somewhere(tmp_path: Path) -> None:
    found = soup(tmp_path, result("a", "D1", stages=("deployed",), finding=True), result("b", "D2"))
    targets = [str(link["href"]) for link in found.find_all("a")]
    assert targets
    for target in targets:
        assert found.find(id=target.removeprefix("#")), target


def test_nothing_that_was_observed_is_markup(tmp_path: Path) -> None:
    evil = result(
        NASTY, "D1", outcome=Outcome.FAILED, message=NASTY, observations=(NASTY,),
        evidence=kept(tmp_path, NASTY),
    )  # fmt: skip
    found = soup(tmp_path, evil, environment={"istio": NASTY, "deviations": [NASTY]})
    assert not found.find_all("script")
    assert found.get_text().count("<script>") >= 6


def test_the_page_needs_no_other_file(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path / "evidence" / "a")
    evidence.picture("the page", b"\x89PNG not really")
    found = soup(tmp_path, result("a", "D1", evidence=tuple(evidence.pieces)))
    assert [str(img["src"])[:22] for img in found.find_all("img")] == ["data:image/png;base64,"]
    assert not found.find_all(["script", "link", "iframe"])
    assert "url(" not in found.find("style").get_text()  # type: ignore[union-attr]


def test_a_long_text_is_cut_and_its_file_named(tmp_path: Path) -> None:
    evidence = kept(tmp_path, "a" * TEXT_LIMIT + "b" * 2000)
    article = soup(tmp_path, result("a", "D1", evidence=evidence)).find(id="D1")
    assert article
    assert "ab" not in article.find("pre").get_text()  # type: ignore[union-attr]
    assert "2 kB more in the file" in article.get_text(" ", strip=True)
    assert article.find("a", href="evidence/pods/01-pods.txt")


@pytest.mark.parametrize("kind", ["text", "picture"])
def test_however_much_evidence_there_is_the_page_stays_small(tmp_path: Path, kind: str) -> None:
    evidence = Evidence(tmp_path / "evidence" / "a")
    for number in range(600):
        if kind == "text":
            evidence.text(f"text {number}", "<&>\n" * 6000)
        else:
            evidence.picture(f"picture {number}", bytes(90_000))
    failed = replace(
        result("z", "D2", outcome=Outcome.FAILED, evidence=kept(tmp_path, "why", "why"))
    )
    text = page(
        document(tmp_path, result("a", "D1", evidence=tuple(evidence.pieces)), failed), tmp_path
    )
    assert EMBEDDED_LIMIT / 2 < len(text.encode()) < PAGE_LIMIT
    assert "in the file only" in text
    assert "<pre>why</pre>" in text  # what failed comes first


def test_evidence_that_is_gone_is_still_named(tmp_path: Path) -> None:
    evidence = kept(tmp_path)
    evidence[0].path.unlink()
    assert "evidence/pods/01-pods.txt" in page(
        document(tmp_path, result("a", "D1", evidence=evidence)), tmp_path
    )


def test_a_stage_shows_the_worst_of_its_expectations(tmp_path: Path) -> None:
    found = document(
        tmp_path,
        result("a", "D1", stages=("namespace", "deployed")),
        result("b", "D2", stages=("deployed",), outcome=Outcome.FAILED),
        result("c", "D3"),
    )
    stops = {stop.name: stop for stop in stops_of(found, SUITE)}
    assert [row.id for row in stops["deployed"].rows] == ["D1", "D2"]
    assert stops["deployed"].verdict is Verdict.REJECTED
    assert stops["canary"].verdict is Verdict.OUT_OF_SCOPE


@pytest.mark.parametrize("verdict", Verdict)
def test_the_worst_of_one_is_itself(verdict: Verdict) -> None:
    assert worst([verdict]) is verdict
    assert worst([verdict, Verdict.REJECTED]) is Verdict.REJECTED


# The summary.


def test_the_summary_has_a_row_for_each_expectation_in_scope(tmp_path: Path) -> None:
    found = document(tmp_path, result("a", "D1", results=("5 of 5 | pods.",), baselines=("0.",)))
    text = summary(found)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    named = [row.split(" | ")[0][2:] for row in rows if row.split(" | ")[0][2:] in IDS]
    assert named == [name for name in IDS if name.startswith("D")]
    assert "\nOut of scope: U1, " in text
    assert "| 5 of 5 \\| pods. | 0. |" in text
    assert DEVIATION in text


def test_page_and_summary_have_a_place_for_who_signs(tmp_path: Path) -> None:
    found = document(tmp_path, result("a", "D1"))
    for text in (page(found, tmp_path), summary(found)):
        assert "☐ accept" in text
        assert "meshproof sign-off --decision accept|reject --by NAME" in text


# An expectation in a line.


def line(*results: ScenarioResult) -> tuple[str, str]:
    found = line_of(document(Path(), *results).expectations[0])
    return found.result, found.baseline


def test_what_quick_left_out_hides_nothing_that_was_found() -> None:
    kept = result("a", "D1", results=("9 of 9.",))
    gone = result("b", "D1", outcome=Outcome.SKIPPED, message="too long", left_out=True)
    assert line(gone, kept)[0] == "9 of 9. (1 scenario, 1 left out by --quick)"
    bare = result("a", "D1")
    assert line(bare, gone)[0] == "1 scenario passed, 1 left out by --quick."
    broken = result("c", "D1", outcome=Outcome.FAILED, message="8 of 9")
    assert line(gone, kept, broken)[0] == "c: 8 of 9"
    assert line(gone)[0] == "b: too long"


def test_an_accepted_expectation_says_its_result_and_its_baseline() -> None:
    kept = result("a", "D1", observations=("detail", "9 of 9."), results=("9 of 9.",),
                  baselines=("0 of 9.",))  # fmt: skip
    assert line(kept) == ("9 of 9.", "0 of 9.")
    assert line(kept, replace(kept, node="b")) == ("9 of 9. (2 scenarios)", "0 of 9.")
    assert line(result("a", "D1", observations=("detail",))) == ("1 scenario passed.", "")


@pytest.mark.parametrize(
    "claim",
    [
        AlwaysClaim(688, 0, 0.01, 0.999),
        AlwaysClaim(5, 0, 0.01, 0.999),
        EvenClaim(["1.0", "1.1"] * 170, ("1.0", "1.1"), "analytics"),
    ],
    ids=["always", "too few", "even"],
)
def test_of_several_results_one_that_says_how_surely_is_told(
    claim: AlwaysClaim | EvenClaim,
) -> None:
    loop = result("a", "D1", results=("The loop printed 5 of 5.",))
    sampled = result("b", "D1", results=("The page is the same.", f"From the ingress: {claim}."))
    assert line(loop, sampled)[0] == f"From the ingress: {claim}. (2 scenarios)"
    assert line(loop)[0] == "The loop printed 5 of 5."


def test_an_accepted_expectation_says_what_struck_the_ground_meanwhile() -> None:
    strike = f"{STRUCK}node one was not ready, until 10:07."
    struck = result("a", "D1", observations=("9 of 9.", strike), results=("9 of 9.",))
    assert line(struck)[0] == f"9 of 9. {strike}"
    assert line(struck, replace(struck, node="b"))[0] == f"9 of 9. (2 scenarios) {strike}"
    assert line(result("a", "D1", observations=(strike,)))[0] == f"1 scenario passed. {strike}"


@pytest.mark.parametrize(
    ("outcome", "message", "told"),
    [
        (Outcome.FAILED, "AssertionError: 3 of 5 pods\nassert 3 == 5", "b: 3 of 5 pods"),
        (Outcome.ERROR, "x" * 500, "b: " + "x" * 199 + "…"),
        (Outcome.MISSING, "", "b: missing"),
        (Outcome.SKIPPED, "no log", "b: no log"),
    ],
)
def test_one_that_is_not_accepted_says_why(outcome: Outcome, message: str, told: str) -> None:
    kept = result("a", "D1", results=("9 of 9.",))
    lost = result("b", "D1", outcome=outcome, message=message)
    assert line(kept, lost)[0] == told
    assert line(lost, kept, replace(lost, node="c"))[0] == f"{told} (and 1 more)"


def test_what_was_tested_is_shown_with_what_rests_on_it_and_beside_it(tmp_path: Path) -> None:
    texts = [one.text for one in DEVIATIONS]
    environment = {"istio": "1.31", "deviations": texts}
    found = soup(tmp_path, result("kept", "D1"), environment=environment)
    places = {one.name: place for place, one in enumerate(DEVIATIONS, 1)}
    for one in DEVIATIONS:
        item = found.find(id=f"deviation-{places[one.name]}")
        assert item
        assert one.text in item.get_text() and one.why in item.get_text()
        assert tuple(link.get_text() for link in item.find_all("a")) == one.expectations
    article = found.find(id="U6")
    assert article
    links = {link.get_text(): link["href"] for link in article.find_all("a")}
    assert links["policies"] == f"#deviation-{places['policies']}"
    text = summary(document(tmp_path, result("kept", "U6"), environment=environment,
                            scope=Scope(("update",), None)))  # fmt: skip
    (row,) = (line for line in text.splitlines() if line.startswith("| U6 "))
    resting = [str(places[one.name]) for one in DEVIATIONS if "U6" in one.expectations]
    assert row.endswith(f"| {', '.join(resting)} |")
    assert f"{places['policies']}. AuthorizationPolicies by identity" in text


@pytest.mark.parametrize("outcome", Outcome)
def test_what_a_finding_saw_is_told_elsewhere(outcome: Outcome) -> None:
    seen = result("a", "D1", results=("15 failed.",), finding=True, outcome=outcome)
    assert line(seen, result("b", "D1", results=("0 failed.",))) == ("0 failed.", "")
    assert line(seen) == ("No scenario proves it.", "")


GONE = result("an outage", "D1", outcome=Outcome.FAILED, message="none failed", finding=True)


def test_findings_have_a_part_of_their_own_and_no_red_in_it(tmp_path: Path) -> None:
    seen = result("a 503", "D2", results=("9 of 9 got 503.",), finding=True)
    found = soup(tmp_path, GONE, seen, result("kept", "D1"))
    assert "Findings, which have no vote: 1 still there, 1 gone." in found.get_text()
    heading = found.find(id="findings")
    assert heading
    first, second = heading.find_next_siblings("article")
    assert "What it found is gone: none failed" in first.get_text(" ")
    assert "9 of 9 got 503." in second.get_text(" ")
    assert [tag["class"] for tag in first.select(".badge")] == [["badge", "gone"]]
    assert not found.select(".badge.failed, .badge.rejected")
    article = found.find(id="D1")
    assert article
    assert "an outage" in article.get_text()
    assert "none failed" not in article.get_text()


def test_so_they_have_in_the_summary(tmp_path: Path) -> None:
    text = summary(document(tmp_path, GONE, result("kept", "D1")))
    assert "Findings, which have no vote: 1 gone." in text
    assert "- **gone**, an outage (D1): What it found is gone: none failed\n" in text
    assert "What did not pass" not in text


def test_without_findings_nothing_is_said_of_them(tmp_path: Path) -> None:
    text = page(document(tmp_path, result("kept", "D1")), tmp_path)
    assert 'id="findings"' not in text
    assert "No finding was looked for." in text


def test_the_evidence_of_a_finding_is_in_the_page(tmp_path: Path) -> None:
    found = soup(tmp_path, replace(GONE, evidence=kept(tmp_path, "200 200 200")))
    (article,) = found.select("article.finding")
    assert "200 200 200" in article.get_text()


def test_one_without_a_scenario_says_so() -> None:
    assert line() == ("No scenario proves it.", "")
    outside = document(Path(), scope=Scope((), "-m U")).expectations[0]
    assert line_of(outside).result == "Not in this run."


def test_the_summary_says_why_something_did_not_pass(tmp_path: Path) -> None:
    text = summary(
        document(tmp_path, result("a", "D1", outcome=Outcome.FAILED, message="3 < 5 pods\nof 5"))
    )
    assert "<pre>3 &lt; 5 pods\nof 5</pre>" in text


@given(st.text())
def test_a_cell_stays_in_its_row(text: str) -> None:
    shown = cell(text)
    assert "\n" not in shown
    assert shown.replace("\\\\", "").replace("\\|", "").count("|") == 0
    assert not {"<", ">"} & set(shown.replace("\\\\", "").replace("\\<", "").replace("\\>", ""))


@pytest.mark.parametrize(
    ("value", "shown"), [(0.04, "0.0 s"), (99.9, "99.9 s"), (774, "12 min 54 s")]
)
def test_seconds(value: float, shown: str) -> None:
    assert seconds(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0 B"), (999, "999 B"), (12_300, "12 kB"), (4_560_000, "4.6 MB")]
)
def test_size(value: int, shown: str) -> None:
    assert size(value) == shown


@pytest.mark.parametrize("writing", [write_page, write_summary])
def test_a_folder_that_cannot_be_written(tmp_path: Path, writing: Any) -> None:
    with pytest.raises(OSError, match="nowhere"):
        writing(document(tmp_path), tmp_path / "nowhere")


# The chart.


def request(at: float, version: str = "1.0", problem: str = "") -> Request:
    return Request(at, 0.01, "anyone", "GET", 200, version, "redis", "", "", "", problem)


def test_the_chart_shows_each_second_each_failure_and_each_stage() -> None:
    timeline = Timeline(
        [Step("updated: kubectl apply", 0.5, 1.5), Step("updated: wait", 1.5, 2.0)],
        [request(0.1), request(0.2, "2.0"), request(1.6, "", "HTTP 503")],
    )
    drawing = BeautifulSoup(chart(timeline.as_json().encode()), "html.parser")
    titles = [title.get_text() for title in drawing.find_all("title")]
    assert "updated: 0.5 s to 2.0 s" in titles
    assert {"0 s: 1 by 1.0", "0 s: 1 by 2.0", "1 s: 1 failed"} <= set(titles)
    (failure,) = (title for title in titles if "HTTP 503" in title)
    assert "during: updated: wait" in failure
    assert "3 requests over 2 seconds, 1 failed" in str(drawing)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"steps": [], "requests": []}', b"\xff"])
def test_what_is_no_timeline_has_no_chart(content: bytes) -> None:
    assert chart(content) == ""


@given(st.lists(st.floats(0, 500), min_size=1), st.integers(1, 5))
def test_every_request_is_counted_once(moments: list[float], wide: int) -> None:
    columns = counted([request(at) for at in moments], wide)
    assert sum(sum(column.values()) for column in columns.values()) == len(moments)
    for begin in columns:
        assert any(begin <= at < begin + wide for at in moments)
