from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

from meshproof import cli
from meshproof.cluster.cluster import Cluster
from meshproof.cluster.lease import ANY_HOST, Holder, of_namespace
from meshproof.cluster.objects import Objects
from meshproof.environment import advance as module
from meshproof.environment import bring_up
from meshproof.environment.advance import Place, advance, checked_stage, stage_now
from meshproof.environment.environment import Environment
from meshproof.environment.options import Options, read_options
from meshproof.errors import EnvironmentBroken, UsageFailure
from meshproof.progress import Progress
from meshproof.run.lanes import Lane, manifests_of
from meshproof.suite.model import Suite
from meshproof.suite.registry import suite_named
from tests.suites import NAMES, STAGES, SUITE, objects_of_stages

#: Who holds what, beside us.
TAKEN: dict[str, Holder] = {}
CLUSTER = Cluster("mesh", Path("/state/kubeconfig"), Path("/state/bin"))


@pytest.fixture
def options() -> Options:
    return read_options({})


@pytest.mark.parametrize("stage", STAGES[:-1], ids=NAMES[:-1])
def test_a_place_says_how_to_look_at_it_and_what_is_next(stage: Any) -> None:
    place = Place("voting", stage, "http://127.0.0.1:4000", "/state/kubeconfig", SUITE)
    lines = place.lines()
    assert lines[0] == f"The namespace voting is at stage “{stage.name}”."
    assert ("http://127.0.0.1:4000/" in lines[1]) is stage.served
    assert lines[2].endswith("export KUBECONFIG=/state/kubeconfig")
    following = STAGES[NAMES.index(stage.name) + 1]
    assert f"`meshproof advance {following.name}`" in lines[3]
    assert [line.strip() for line in lines[4:]] == following.command_lines("voting")


def test_after_the_last_stage_nothing_is_next() -> None:
    lines = Place("voting", STAGES[-1], "http://mesh", "", SUITE).lines()
    assert lines[1:] == ["page        http://mesh/", "This is the last stage."]


def test_on_a_mesh_of_another_shape_nobody_is_told_to_type_what_is_not_adapted() -> None:
    lines = Place("voting", STAGES[0], "http://mesh", "", SUITE, adapted=True).lines()
    assert lines[-1] == f"next        `meshproof advance {NAMES[1]}`"


def test_an_unknown_stage_is_refused_before_anything_is_brought_up(
    options: Options, monkeypatch: pytest.MonkeyPatch, progress: Progress
) -> None:
    monkeypatch.setattr(bring_up, "up", lambda *_: pytest.fail("brought up"))
    with pytest.raises(UsageFailure, match="no stage “lockdown”; the stages are: namespace, depl"):
        advance(options, "lockdown", progress)
    assert checked_stage("lock-down", SUITE) == "lock-down"


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done, on a cluster whose Leases are free."""
    done: list[str] = []
    found = Environment(CLUSTER, "http://page", made=False, engine=None, images={}, built=True)

    def up(*_: object) -> Environment:
        return found

    class FreeLeases:
        def __init__(self, *_: object) -> None:
            pass

        def claim(self, name: str) -> Holder | None:
            done.append(f"claim {name}")
            return TAKEN.get(name)

        def release(self) -> None:
            done.append("release")

    class Followed:
        def __init__(self, cluster: Cluster, namespace: str, suite: Suite, **_: object) -> None:
            assert cluster.owner is not None and cluster.owner.namespace == namespace
            done.append(f"{suite.name} in {namespace}") if suite is not SUITE else None

        def follow_to(self, stage: str) -> None:
            done.append(f"follow to {stage}")

    monkeypatch.setattr(bring_up, "up", up)
    monkeypatch.setattr(module, "Leases", FreeLeases)
    monkeypatch.setattr(module, "Tutorial", Followed)
    monkeypatch.setattr(module, "take_over", lambda _: done.append("take over"))
    return done


def test_the_namespace_is_held_as_long_as_the_tutorial_is_followed(
    options: Options, followed: list[str], progress: Progress
) -> None:
    place = advance(options, "canary", progress)
    assert followed == [
        f"claim {of_namespace('voting')}", f"claim {ANY_HOST}", "take over",
        "follow to canary", "release",
    ]  # fmt: skip
    assert place == Place(
        "voting", STAGES[NAMES.index("canary")], "http://page", "/state/kubeconfig", SUITE
    )


@pytest.mark.parametrize("name", [of_namespace("voting"), ANY_HOST])
def test_beside_a_run_nothing_is_followed(
    options: Options,
    followed: list[str],
    progress: Progress,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    holder = Holder("ci-12", "2026-11-28T10:00:00Z", alive=True)
    monkeypatch.setitem(TAKEN, name, holder)
    with pytest.raises(EnvironmentBroken, match=r"A run .*\(ci-12, since 2026.*wait until it ends"):
        advance(options, "canary", progress)
    assert "follow to canary" not in followed
    assert followed[-1] == "release"


def test_a_stage_is_looked_for_in_the_suite_that_is_named(
    followed: list[str], progress: Progress
) -> None:
    options = read_options({"suite": "bookinfo"})
    assert (options.namespace, options.manifests.name) == ("bookinfo", "bookinfo")
    place = advance(options, "all-v1", progress)
    assert followed[-3:] == ["bookinfo in bookinfo", "follow to all-v1", "release"]
    assert place.suite is suite_named("bookinfo")
    assert "page        http://page/productpage" in place.lines()
    assert "`meshproof advance jason-v2 --suite bookinfo`" in "".join(place.lines())
    with pytest.raises(UsageFailure, match="no stage “canary”; the stages are: namespace, depl"):
        advance(options, "canary", progress)


def test_a_namespace_that_is_given_is_no_other_suites() -> None:
    options = read_options({"suite": "bookinfo", "namespace": "books"})
    assert (options.namespace, options.manifests.name) == ("books", "bookinfo")
    with pytest.raises(UsageFailure, match="no suite “shop”; the suites are: voting, bookinfo"):
        read_options({"suite": "shop"})


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifests as they are applied here."""
    return manifests_of(Lane("voting"), SUITE.manifests, tmp_path_factory.mktemp("m") / "copy")


@pytest.mark.parametrize("name", NAMES)
def test_the_stage_of_a_namespace_is_told(
    options: Options, monkeypatch: pytest.MonkeyPatch, applied: Path, name: str
) -> None:
    live = objects_of_stages("voting", applied)[name]
    _live(monkeypatch, lambda: live)
    assert stage_now(CLUSTER, options) == f"at stage “{name}”"


def test_what_is_no_stage_is_told(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    stages = objects_of_stages("voting", options.manifests)
    _live(monkeypatch, dict)
    assert stage_now(CLUSTER, options) == "not there"
    _live(monkeypatch, lambda: {**stages["canary"], ("Gateway", "other"): {"metadata": {}}})
    assert stage_now(CLUSTER, options) == "at no stage of these manifests"

    def refused() -> Objects:
        raise ApiException(status=403)

    _live(monkeypatch, refused)
    assert stage_now(CLUSTER, options) == "cannot be seen (ApiException)"


def _live(monkeypatch: pytest.MonkeyPatch, objects: Callable[[], Objects]) -> None:
    monkeypatch.setattr(module, "live_objects", lambda *_: objects())


def test_the_command_prints_the_place(
    options: Options,
    followed: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["meshproof", "advance", "exposed"])
    cli.main()
    assert capsys.readouterr().out.startswith("The namespace voting is at stage “exposed”.\n")
    assert "follow to exposed" in followed
