from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree, ignore_patterns
from types import SimpleNamespace
from typing import cast

import pytest
import yaml

from meshproof.cluster.cluster import OWNED
from meshproof.cluster.objects import PROBE
from meshproof.cluster.pods import PodState
from meshproof.documents import read_all
from meshproof.errors import PromiseBroken
from meshproof.suite.breakages import manifests_below
from meshproof.suite.tutorial import Tutorial
from steps.voting import plaintext_canary as module
from steps.voting.plaintext_canary import (
    HEADER,
    PLAIN_HOST,
    PLAIN_TEXT,
    VOTES,
    cast_marked,
    marked_ways,
    one_app_pod,
)
from steps.voting.voting_app import Response
from tests.suites import MANIFESTS

MARKER = "marker-0123"
PAGE = (
    '<p id="results">{}</p><p id="version">version: 1.0</p>'
    '<p id="host">host: app-1</p><p id="store">store: redis</p>'
)


@dataclass
class Application:
    """The application as `cast_marked` meets it; what it was asked is kept."""

    results: str = "Cats: 1/1 (100%) | Dogs: 0/1 (0%)"
    redis: str = f"$11\r\n{MARKER}"
    votes: list[tuple[str | None, object, object]] = field(default_factory=list)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    cluster: None = None
    namespace: str = "voting"
    ingress: str = "http://gateway"
    host: None = None

    def pods(self) -> list[PodState]:
        workloads = [("voting-app", "1.0"), ("voting-app", "1.0"), ("voting-storage", "1.0")]
        workloads += [("voting-analytics", "1.0"), ("voting-analytics", "1.1")]
        return [
            PodState(f"pod-{i}", *workload, "Running", 2, 2, 0, proxied=True, stopping=False)
            for i, workload in enumerate(workloads)
        ]

    def cast(self, host: str | None = None) -> list[str]:
        return cast_marked(cast("Tutorial", self), MARKER, analytics="1.1", host=host)


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> Application:
    application = Application()

    class VotingApp:
        def __init__(self, url: str, *, host: str | None) -> None:
            self.url, self.host = url, host

        def vote(self, _: str, *, vote_id: str, headers: dict[str, str]) -> Response:
            application.votes.append((self.host, vote_id, headers))
            return Response("POST", self.url, 200, PAGE.format(application.results), "", 0.01)

    def redis(_: object, __: str, pod: str, container: str, command: str) -> str:
        application.asked.append((pod, container, command))
        return application.redis

    monkeypatch.setattr(module, "VotingApp", SimpleNamespace(at=VotingApp))
    monkeypatch.setattr(module, "answer_of_redis", redis)
    return application


def test_a_marker_is_sent_by_every_way(application: Application) -> None:
    answers = application.cast(host="other.example")
    assert application.votes == [("other.example", MARKER, {HEADER: MARKER})] * VOTES
    assert application.asked == [
        ("pod-0", "voting-app", f"ECHO {MARKER}"),
        ("pod-1", "voting-app", f"ECHO {MARKER}"),
        ("pod-4", "voting-analytics", f"ECHO {MARKER}"),
    ]
    assert len(answers) == VOTES + 3


@pytest.mark.parametrize("results", ["Cats: 1 | Dogs: 0", "Analytics do not answer."])
def test_a_vote_that_did_not_go_by_these_analytics(application: Application, results: str) -> None:
    application.results = results
    with pytest.raises(PromiseBroken, match=r"without analytics 1\.1"):
        application.cast()


def test_a_storage_that_does_not_repeat_the_marker(application: Application) -> None:
    application.redis = ""
    with pytest.raises(PromiseBroken, match="Redis answers pod-0 with nothing"):
        application.cast()


def test_the_ways_are_those_of_a_vote() -> None:
    assert marked_ways("1.1") == {
        ("istio-ingressgateway", "voting-app 1.0"),
        ("voting-app 1.0", "voting-analytics 1.1"),
        ("voting-app 1.0", "voting-storage 1.0"),
        ("voting-analytics 1.1", "voting-storage 1.0"),
    }


def test_what_switches_mutual_tls_off_is_the_harness_own_and_of_no_stage() -> None:
    documents = list(yaml.safe_load_all((MANIFESTS / PLAIN_TEXT).read_text()))
    assert all(d["metadata"]["labels"] == {**OWNED, **PROBE} for d in documents)
    modes = [d["spec"]["trafficPolicy"]["tls"]["mode"] for d in documents if "host" in d["spec"]]
    assert modes == ["DISABLE"] * 3
    hosts = [d["spec"]["hosts"] for d in documents if d["kind"] == "VirtualService"]
    assert hosts == [[PLAIN_HOST]]


def test_the_app_has_one_pod_in_plain_text_and_all_else_is_as_published(tmp_path: Path) -> None:
    changed = Path(copytree(MANIFESTS, tmp_path / "manifests", ignore=ignore_patterns("breakages")))
    one_app_pod(changed)
    seen = []
    for file in manifests_below(changed):
        published = read_all((MANIFESTS / file.relative_to(changed)).read_text())
        for before, after in zip(published, read_all(file.read_text()), strict=True):
            if before != after:
                seen.append((before["metadata"]["name"], before["spec"]["replicas"]))
                before["spec"]["replicas"] = 1
                assert before == after
    assert sorted(seen) == [("voting-app-1-0", 3), ("voting-app-2-0", 3)]
