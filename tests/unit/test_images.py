"""Images for any cluster: names exchanged for those in a registry, and what nodes log in with."""

from __future__ import annotations

import base64
import json
import re
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml
from kubernetes.client.exceptions import ApiException

from meshproof.cli import artefacts
from meshproof.cluster import namespaces
from meshproof.cluster.cluster import Cluster
from meshproof.cluster.images import PULL_SECRET, Images, is_file, login_of_file, login_of_secret
from meshproof.cluster.manifests import as_applied
from meshproof.cluster.objects import is_probe
from meshproof.cluster.observability import with_statistics
from meshproof.cluster.shape import DEFAULT
from meshproof.documents import read_all
from meshproof.environment import images as pushing
from meshproof.environment.environment import Environment, deviations_told
from meshproof.environment.images import listed_images, push_images
from meshproof.environment.options import read_options
from meshproof.errors import EnvironmentBroken, ExitCode, UsageFailure
from meshproof.paths import PROJECT, cache_dir
from meshproof.probes import scratch_namespace
from meshproof.probes.non_mesh_client import CLIENT
from meshproof.probes.scratch_namespace import make_pod
from meshproof.process import Completed
from meshproof.progress import Progress
from meshproof.run.lanes import lane_number, manifests_of
from meshproof.suite.stages import objects_of_stages
from meshproof.supply.catalogue import loaded, recipes
from meshproof.supply.recipe import Recipe
from meshproof.supply.registries import (
    Registry,
    checked_registry,
    in_registry,
    refusal,
    registry_name,
)
from meshproof.supply.workshop import Workshop
from tests.suites import MANIFESTS, SUITE

if TYPE_CHECKING:
    from tests.unit.conftest import Command

HOST = "registry.example.org:5000"
DIGEST = "sha256:" + "1f" * 32
APP = "localhost/voting/app:1.0"
PULLED = f"{HOST}/team/voting/app:1.0-0123456789abcdef@{DIGEST}"
IMAGES = Images(f"{HOST}/team", {APP: PULLED})
WITH_SECRET = replace(IMAGES, pull_secret="login")
ALL = Images(HOST, {name: f"{in_registry(HOST, name, 'k')}@{DIGEST}" for name in loaded()})


def image_names(node: object) -> set[str]:
    if isinstance(node, dict):
        own = {node["image"]} if isinstance(node.get("image"), str) else set()
        return own.union(*map(image_names, node.values()))
    if isinstance(node, list):
        return set().union(*map(image_names, node))
    return set()


# Names in manifests.


def test_the_images_of_a_pod_are_exchanged_and_others_keep_their_names() -> None:
    pod = {
        "kind": "Pod",
        "spec": {
            "initContainers": [{"name": "first", "image": APP}],
            "containers": [{"name": "app", "image": APP}, {"name": "own", "image": "own:1"}],
        },
    }
    found = IMAGES.exchanged(pod)
    assert [one["image"] for one in found["spec"]["initContainers"]] == [PULLED]
    assert [one["image"] for one in found["spec"]["containers"]] == [PULLED, "own:1"]
    assert "imagePullSecrets" not in found["spec"]
    assert pod["spec"]["containers"][0]["image"] == APP  # type: ignore[index]


def test_what_is_no_pod_stays_as_it_is_even_where_it_says_an_images_name() -> None:
    document = {"kind": "ConfigMap", "data": {"image": APP}, "list": [APP, 1, None]}
    assert WITH_SECRET.exchanged(document) == document


def test_pods_name_the_secret_beside_those_that_they_name_already() -> None:
    pod = {"spec": {"containers": [], "imagePullSecrets": [{"name": "own"}]}}
    named = WITH_SECRET.exchanged(pod)["spec"]["imagePullSecrets"]
    assert named == [{"name": "own"}, {"name": PULL_SECRET}]


def test_no_manifest_that_is_applied_keeps_a_name_that_the_registry_has_not() -> None:
    asked = set()
    for file in (PROJECT / "manifests").rglob("*.yaml"):
        if file.parent.name in ("kind", "mesh", "breakages") or "bookinfo" in file.parts:
            continue
        asked |= image_names(ALL.exchanged(read_all(file.read_text())))
    assert asked
    assert all(name.startswith(f"{HOST}/") for name in asked)


@pytest.mark.parametrize("lane", [0, 1])
def test_a_lanes_copy_has_the_names_and_the_published_files_stay(lane: int, tmp_path: Path) -> None:
    before = {file: file.read_bytes() for file in MANIFESTS.rglob("*.yaml")}
    copy = manifests_of(lane_number(lane, "voting"), MANIFESTS, tmp_path / "copy", ALL)
    assert copy != MANIFESTS
    stages = objects_of_stages(SUITE.stages, "voting", copy)
    asked = image_names([dict(one) for objects in stages.values() for one in objects.values()])
    assert asked == {ALL.names[image.name] for image in SUITE.images}
    assert before == {file: file.read_bytes() for file in MANIFESTS.rglob("*.yaml")}


def test_a_first_lanes_copy_differs_in_images_and_counts_alone(
    tmp_path: Path,
) -> None:
    copy = manifests_of(lane_number(0, "voting"), MANIFESTS, tmp_path / "copy", ALL)
    back = Images("", {pulled: name for name, pulled in ALL.names.items()})
    for file in copy.rglob("*.yaml"):
        published = read_all((MANIFESTS / file.relative_to(copy)).read_text())
        published = [with_statistics(one) for one in published]
        assert back.exchanged(read_all(file.read_text())) == published


@pytest.mark.parametrize(("images", "named"), [(None, APP), (IMAGES, PULLED)])
def test_a_probes_pod_is_applied_as_a_tutorials_is(images: Images | None, named: str) -> None:
    pod = {"kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"image": APP}]}}
    cluster = Cluster("c", Path("kubeconfig"), Path("bin"), images=images)
    applied = cluster.applied(pod)
    assert applied["spec"] == {"containers": [{"image": named}]}
    assert applied == as_applied(pod, DEFAULT, images)
    assert applied["metadata"] == with_statistics(pod)["metadata"]


def test_a_sign_off_says_where_images_are_from() -> None:
    cluster = Cluster("c", Path("kubeconfig"), Path("bin"))
    plain = Environment(cluster, "", made=False, engine=None, images={}, built=False)
    exchanged = replace(plain, cluster=replace(cluster, images=WITH_SECRET))
    *others, told = deviations_told(exchanged)
    assert others == deviations_told(plain)
    assert f"pulled from {HOST}/team with a Secret of the user's" in told
    assert IMAGES.digests == {APP: DIGEST}


# What nodes log in with.


def configuration(tmp_path: Path, said: object) -> Path:
    file = tmp_path / "config.json"
    file.write_text(said if isinstance(said, str) else json.dumps(said))
    return file


def test_a_file_of_dockers_becomes_a_secret(tmp_path: Path) -> None:
    file = configuration(tmp_path, {"auths": {HOST: {"auth": "dTpw"}}})
    found = login_of_file(file)
    assert found["type"] == "kubernetes.io/dockerconfigjson"
    assert base64.b64decode(found["data"][".dockerconfigjson"]) == file.read_bytes()
    assert is_file(str(file))
    assert not is_file("login")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("{", "it is no JSON"),
        ([], "names no registry"),
        ({"auths": {}}, "names no registry"),
        ({"auths": {HOST: {}}, "credsStore": "pass"}, "a helper keeps them"),
    ],
)
def test_a_file_that_lets_nobody_in_is_refused(tmp_path: Path, said: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        login_of_file(configuration(tmp_path, said))


def test_a_file_that_is_not_there_is_refused_as_an_option(tmp_path: Path) -> None:
    typed = {"cluster": "existing", "kube_context": "c", "registry": HOST}
    with pytest.raises(UsageFailure, match=r"^--pull-secret: cannot be read \(No such file"):
        read_options({**typed, "pull_secret": str(tmp_path / "none")})


def test_a_secret_of_another_type_is_no_login() -> None:
    with pytest.raises(ValueError, match="is of the type Opaque, not kubernetes"):
        login_of_secret({"type": "Opaque", "data": {}})


class Secrets:
    """The API server, as far as Secrets go."""

    def __init__(self, *, there: bool = False) -> None:
        self.made: list[Any] = []
        self.there = there
        self.images: Images | None = None

    @property
    def core(self) -> SimpleNamespace:
        return SimpleNamespace(
            create_namespaced_secret=self.create, replace_namespaced_secret=self.replace
        )

    def create(self, namespace: str, secret: Any) -> None:
        if self.there:
            raise ApiException(status=409)
        self.made.append((namespace, secret))

    def replace(self, name: str, namespace: str, secret: Any) -> None:
        assert name == PULL_SECRET
        self.made.append((namespace, secret))


def as_cluster(fake: object) -> Cluster:
    return cast("Cluster", fake)


@pytest.mark.parametrize("there", [False, True])
def test_a_namespace_gets_the_secret_which_is_part_of_no_stage(tmp_path: Path, there: bool) -> None:
    file = configuration(tmp_path, {"auths": {HOST: {"auth": "dTpw"}}})
    server = Secrets(there=there)
    namespaces.give_pull_secret(as_cluster(server), "voting")
    server.images = IMAGES
    namespaces.give_pull_secret(as_cluster(server), "voting")
    assert not server.made
    server.images = replace(IMAGES, pull_secret=str(file))
    namespaces.give_pull_secret(as_cluster(server), "voting")
    ((namespace, secret),) = server.made
    assert namespace == "voting"
    assert secret["metadata"]["name"] == PULL_SECRET
    assert is_probe(secret)
    assert secret["type"] == "kubernetes.io/dockerconfigjson"


@pytest.mark.parametrize(("status", "why"), [(404, "is not there"), (403, "may not be read")])
def test_a_secret_that_is_not_to_be_had_is_named(
    monkeypatch: pytest.MonkeyPatch, status: int, why: str
) -> None:
    def get(_: object, path: str) -> Any:
        assert path == "/api/v1/namespaces/default/secrets/login"
        raise ApiException(status=status)

    monkeypatch.setattr(namespaces, "get", get)
    with pytest.raises(EnvironmentBroken, match=f"Secret login in the namespace default {why}"):
        namespaces.login(as_cluster(Secrets()), "login")


# Registries.


@pytest.mark.parametrize(
    "name",
    [
        HOST,
        f"{HOST}/team/a-b",
        "registry.example.org",
        "localhost",
        "localhost/a",
        "localhost:5000",
        "192.0.2.1:5000/a_b/c",
        "[2001:db8::1]:5000",
    ],
)
def test_what_is_a_registry(name: str) -> None:
    assert registry_name(name) == name
    assert registry_name(f"{name}/") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "team",
        "https://registry.example.org",
        "registry.example.org/Team",
        "registry.example.org//a",
        "registry.example.org:port",
        "user@registry.example.org",
        "registry.example.org/a:1.0",
        "-a.example.org",
        "a.example.org b",
    ],
)
def test_what_is_none_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(UsageFailure, match=r"is no registry: it must be a registry as images name"):
        checked_registry(name)
    with pytest.raises(ValueError, match="must be a registry"):
        registry_name(name)


def test_a_name_in_a_registry_has_the_key_that_it_is_built_by() -> None:
    assert in_registry(f"{HOST}/team", APP, "0123456789abcdef") == PULLED.partition("@")[0]


UNKNOWN = "unexpected status code 404 Not Found: MANIFEST_UNKNOWN: manifest unknown"


@pytest.mark.parametrize(
    ("printed", "sentence"),
    [
        (f"Error: GET https://{HOST}/v2/a: {UNKNOWN}", "has no image"),
        (f"Error: GET https://{HOST}/v2/a: NAME_UNKNOWN: repository not known", "has no image"),
        (f"Error: GET https://{HOST}/v2/: unexpected status code 401 Unauthorized", "docker login"),
        ("Error: POST https://x/v2/: DENIED: requested access is denied", "docker login"),
        ("UNAUTHORIZED: authentication required; [map[Action:pull]]", "docker login"),
        ("dial tcp 192.0.2.1:5000: connect: connection refused", "cannot be reached"),
        ("dial tcp: lookup registry.example.org: no such host", "cannot be reached"),
        ("dial tcp 192.0.2.1:5000: i/o timeout", "cannot be reached"),
        ("tls: failed to verify certificate: x509: unknown authority", "--registry-ca"),
        (
            "Error: invalid character '<' looking for a value",
            "or is no registry: invalid character",
        ),
        ("", "or is no registry: it said nothing"),
    ],
)
def test_why_a_registry_did_not_is_a_sentence(printed: str, sentence: str) -> None:
    found = refusal(HOST, f"{HOST}/a:1", "push", printed)
    assert sentence in found
    assert found.startswith("The ")
    assert "\n" not in found


def crane(tmp_path: Path, script: str) -> Path:
    program = tmp_path / "crane"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def test_crane_trusts_the_given_certificate_and_its_digest_is_read(tmp_path: Path) -> None:
    script = f'test "$SSL_CERT_FILE" = /ca.pem && echo "{HOST}/a@{DIGEST}"'
    registry = Registry(HOST, crane(tmp_path, script), Path("/ca.pem"))
    assert registry.push(tmp_path / "image.tar", f"{HOST}/a:1") == DIGEST
    assert registry.digest(f"{HOST}/a:1") == DIGEST


def test_what_crane_is_refused_is_the_environments_affair(tmp_path: Path) -> None:
    registry = Registry(HOST, crane(tmp_path, "echo 401 Unauthorized >&2; exit 1"))
    with pytest.raises(EnvironmentBroken, match="does not let this user pull") as caught:
        registry.digest(f"{HOST}/a:1")
    assert "401" in caught.value.details
    with pytest.raises(EnvironmentBroken, match="does not let this user push"):
        registry.push(tmp_path / "image.tar", f"{HOST}/a:1")


def test_a_crane_that_prints_no_digest_is_told(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentBroken, match="printed no digest"):
        Registry(HOST, crane(tmp_path, "echo done")).digest(f"{HOST}/a:1")


# Listing and pushing.


class Engine:
    """An engine that has every image but one, and writes archives of a line."""

    def __init__(self, lacking: str = "") -> None:
        self.lacking = lacking

    def has_image(self, reference: str) -> bool:
        return not self.lacking or self.lacking not in reference

    def image_id(self, reference: str) -> str:
        del reference
        return DIGEST

    def image_size(self, reference: str) -> int:
        del reference
        return 5 * 10**6

    def save_images(self, logged: object, references: list[str], archive: Path) -> None:
        del logged
        archive.write_text(references[0])


def shop_with(engine: Engine | None, known: dict[str, Recipe], cache: Path) -> Workshop:
    return Workshop(known, root=PROJECT, cache=cache, engine=cast("Any", engine),
                    progress=Progress(lambda _: None))  # fmt: skip


def test_images_are_listed_with_what_builds_them() -> None:
    engine = Engine(lacking="analytics-1.1")
    shop = shop_with(engine, recipes(), cache_dir())
    found = {one.name: one for one in listed_images(shop, cast("Any", engine))}
    assert found.keys() == loaded().keys()
    assert found[APP].built
    assert (found[APP].size, found[APP].digest) == (5 * 10**6, DIGEST)
    assert found[APP].key == shop.key("image-voting-app-1.0")
    assert "app 1.0" in found[APP].about
    assert not found["localhost/voting/analytics:1.1"].built
    assert not any(
        one.built for one in listed_images(shop_with(None, recipes(), cache_dir()), None)
    )


def test_all_that_suites_need_is_pushed_each_under_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed: list[tuple[str, str]] = []

    def run(argv: list[Any], **_: object) -> Completed:
        assert argv[1] == "push"
        pushed.append((Path(argv[2]).read_text(), argv[3]))
        return Completed(tuple(map(str, argv)), 0, f"{argv[3]}@{DIGEST}\n", "", 0, 0)

    monkeypatch.setattr("meshproof.supply.registries.run", run)
    shop = shop_with(Engine(), recipes(), tmp_path)
    shop.folder("crane").mkdir(parents=True)
    found = list(push_images(shop, f"{HOST}/", None, Progress(lambda _: None)))
    assert [name for name, _ in found] == [
        in_registry(HOST, name, shop.key(recipe)) for name, recipe in loaded().items()
    ]
    assert pushed == [
        (shop.image(recipe), name)
        for recipe, (name, _) in zip(loaded().values(), found, strict=True)
    ]
    assert {digest for _, digest in found} == {DIGEST}


def test_a_run_has_every_image_by_its_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class There(Registry):
        def digest(self, image: str) -> str:
            asked.append(image)
            return DIGEST

    monkeypatch.setattr(pushing, "registry_of", lambda _, name, ca: There(name, Path("crane"), ca))
    typed = {"cluster": "existing", "kube_context": "c", "registry": HOST}
    cluster = Cluster("c", Path("kubeconfig"), Path("bin"))
    quiet = Progress(lambda _: None)
    found = pushing.from_registry(cluster, read_options(typed), quiet)
    assert found.images
    assert found.images.names.keys() == loaded().keys()
    assert sorted(found.images.names.values()) == sorted(f"{image}@{DIGEST}" for image in asked)
    assert pushing.from_registry(cluster, read_options({}), quiet) is cluster


# Options.


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"registry": HOST}, "--registry goes with --cluster existing"),
        ({"pull_secret": "login"}, "--pull-secret goes with --registry"),
        ({"registry": "team"}, "--registry: must be a registry as images name it"),
        ({"registry_ca": "none.pem"}, "--registry-ca: must be a file that holds a certificate"),
    ],
)
def test_options_that_cannot_be(typed: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageFailure) as caught:
        read_options(typed)
    assert caught.value.sentence.startswith(sentence)


def test_every_copy_can_be_read_again(tmp_path: Path) -> None:
    images = replace(ALL, pull_secret="login")
    copy = manifests_of(lane_number(0, "voting"), MANIFESTS, tmp_path / "copy", images)
    text = (copy / "kubernetes/step-1-create-voting-app.yaml").read_text()
    pods = [
        one["spec"]["template"]["spec"]
        for one in yaml.safe_load_all(text)
        if one["kind"] == "Deployment"
    ]
    assert pods
    assert all(pod["imagePullSecrets"] == [{"name": PULL_SECRET}] for pod in pods)


# Pods of probes.


class Pods(Secrets):
    """The API server, as far as pods go: a pod is in this state from the start."""

    def __init__(self, status: dict[str, Any]) -> None:
        super().__init__()
        self.status = status

    applied = Cluster.applied
    mesh = DEFAULT

    @property
    def core(self) -> SimpleNamespace:
        return SimpleNamespace(create_namespaced_pod=self.create)

    def get(self, _: object, path: str) -> dict[str, Any]:
        ((namespace, pod),) = self.made
        assert path == f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}"
        return {**pod, "status": self.status}


def test_a_probes_pod_has_its_image_from_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    status = {"name": "client", "ready": True, "restartCount": 0}
    server = Pods({"phase": "Running", "containerStatuses": [status]})
    server.images = replace(WITH_SECRET, names=ALL.names)
    monkeypatch.setattr(scratch_namespace, "get", server.get)
    assert make_pod(as_cluster(server), "voting-aside", CLIENT, "outside-client").settled
    ((_, pod),) = server.made
    assert image_names(pod) == {ALL.names[APP]}
    assert pod["spec"]["imagePullSecrets"] == [{"name": PULL_SECRET}]


def test_a_probes_pod_without_an_image_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "401 Unauthorized"}}
    status = {"name": "client", "ready": False, "restartCount": 0, "state": waiting}
    server = Pods({"phase": "Pending", "containerStatuses": [status]})
    monkeypatch.setattr(scratch_namespace, "get", server.get)
    begun = time.monotonic()
    with pytest.raises(EnvironmentBroken, match=r"ErrImagePull: .*401 Unauthorized"):
        make_pod(as_cluster(server), "voting-aside", CLIENT, "outside-client")
    assert time.monotonic() - begun < 10


# The command.


@pytest.mark.parametrize("given", ["team", "https://registry.example.org"])
def test_what_is_no_registry_is_refused_before_anything_is_built(
    given: str, meshproof: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert meshproof("images", "push", given) == ExitCode.USAGE
    assert f"“{given}” is no registry" in capsys.readouterr().err


def test_images_are_listed_where_no_engine_answers(
    meshproof: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artefacts, "answering", lambda: None)
    assert meshproof("images", "list") == 0
    printed = capsys.readouterr().out
    for name in loaded():
        assert re.search(rf"^ ?{re.escape(name)} .* [0-9a-f]{{16}} +no", printed, re.MULTILINE)
    assert "No container engine answers" in printed
