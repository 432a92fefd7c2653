from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshproof.process import Completed
from meshproof.signoff.evidence import SLUG_LENGTH, Evidence, folder_name, slug


@pytest.mark.parametrize(
    ("ids", "test", "name"),
    [
        (("U5", "A1"), "test_only_11_answers", "U5-only-11-answers"),
        (("D7",), "test_a_page[exposed-1.0]", "D7-a-page-exposed-1-0"),
        ((), "test_nothing", "nothing"),
    ],
)
def test_a_scenarios_folder_begins_with_its_first_id(
    ids: tuple[str, ...], test: str, name: str
) -> None:
    assert folder_name(ids, test) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("kubectl get pods", "kubectl-get-pods"),
        ("The page, as served!", "the-page-as-served"),
        ("test_each_vote[Cats-3]", "test-each-vote-cats-3"),
        ("--already--", "already"),
        ("../../etc/passwd", "etc-passwd"),
        ("Größe", "gr-e"),
        ("", ""),
    ],
)
def test_slug(text: str, name: str) -> None:
    assert slug(text) == name


@given(st.text(max_size=300))
def test_a_slug_is_a_short_file_name(text: str) -> None:
    assert re.fullmatch(r"([a-z0-9]+(-[a-z0-9]+)*)?", slug(text))
    assert len(slug(text)) <= SLUG_LENGTH
    assert slug(slug(text)) == slug(text)


@given(st.integers(0, 200), st.text(st.sampled_from("ab"), min_size=1, max_size=9))
def test_long_texts_with_the_same_beginning_have_different_slugs(length: int, end: str) -> None:
    assert slug("w " * length + end) != slug("w " * length + end + "a")


@pytest.fixture
def told() -> list[tuple[str, Path, str]]:
    return []


@pytest.fixture
def evidence(tmp_path: Path, told: list[tuple[str, Path, str]]) -> Evidence:
    return Evidence(tmp_path / "evidence" / "a-scenario", lambda *piece: told.append(piece))


def test_pieces_are_numbered_in_the_order_in_which_they_came(evidence: Evidence) -> None:
    files = [
        evidence.text("Page as served", "<html>\nGrüße"),
        evidence.picture("in a browser", b"\x89PNG"),
        evidence.text("Page as served", "again"),
    ]
    assert evidence.files == files
    assert [file.name for file in files] == [
        "01-page-as-served.txt",
        "02-in-a-browser.png",
        "03-page-as-served.txt",
    ]
    assert files[0].read_text(encoding="utf-8") == "<html>\nGrüße"
    assert files[1].read_bytes() == b"\x89PNG"


def test_the_listener_hears_of_each_piece_once_it_is_written(
    evidence: Evidence, told: list[tuple[str, Path, str]]
) -> None:
    text = evidence.text("Page as served", "<html>")
    picture = evidence.picture("in a browser", b"\x89PNG")
    packets = evidence.packets("on the node", b"\xd4\xc3\xb2\xa1")
    assert told == [
        ("Page as served", text, "text/plain"),
        ("in a browser", picture, "image/png"),
        ("on the node", packets, "application/vnd.tcpdump.pcap"),
    ]
    assert (packets.suffix, packets.read_bytes()) == (".pcap", b"\xd4\xc3\xb2\xa1")


def test_a_command_is_kept_whole_under_its_first_words(evidence: Evidence) -> None:
    done = Completed(
        ("kubectl", "get", "pods", "-n", "voting"), 1, "NAME\n", "forbidden\n", 0.0, 0.25
    )
    evidence.command(done)
    (file,) = evidence.files
    assert file.name == "01-kubectl-get-pods-n.txt"
    assert file.read_text() == (
        "$ kubectl get pods -n voting\nNAME\nforbidden\n[exit code 1, 0.25 s]\n"
    )


def test_the_folder_comes_with_the_first_piece(evidence: Evidence) -> None:
    evidence.observe("nothing to see")
    assert (evidence.observations, evidence.files) == (["nothing to see"], [])
    assert not evidence.folder.exists()
    evidence.text("one", "")
    assert evidence.folder.is_dir()


def test_results_and_baselines_are_observations_of_their_own_kind(evidence: Evidence) -> None:
    evidence.baseline("0 of 9 were refused.")
    evidence.observe("a detail")
    evidence.result("9 of 9 were refused.")
    assert evidence.observations == ["0 of 9 were refused.", "a detail", "9 of 9 were refused."]
    assert (evidence.baselines, evidence.results) == (
        ["0 of 9 were refused."], ["9 of 9 were refused."],
    )  # fmt: skip


def test_nobody_need_listen(tmp_path: Path) -> None:
    assert Evidence(tmp_path).text("one", "text").read_text() == "text"
