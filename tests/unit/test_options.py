from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meshproof.environment import options
from meshproof.environment.options import Options, option_flags, read_options
from meshproof.errors import ExitCode, UsageFailure
from meshproof.signoff.keys import generate


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The pyproject.toml of a checkout, with nothing of ours in it yet."""
    monkeypatch.setattr(options, "PROJECT", tmp_path)
    return tmp_path / "pyproject.toml"


def write(table: Path, text: str) -> None:
    table.write_text(f"[tool.meshproof]\nsections = ['deploy']\n{text}\n")


def test_defaults(table: Path) -> None:
    chosen = read_options({})
    assert (chosen.cluster, chosen.nodes, chosen.namespace) == ("kind", 1, "voting")
    assert (chosen.images, chosen.keep, chosen.install) == ("source", False, True)
    assert chosen.reports == Path("reports")


def test_what_is_typed_comes_first_then_the_environment_then_the_table(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = {"namespace": "typed", "nodes": None}
    assert read_options({"namespace": None}).namespace == "voting"
    write(table, "namespace = 'tabled'\nnodes = 2")
    assert read_options({"namespace": None}).namespace == "tabled"
    monkeypatch.setenv("MESHPROOF_NAMESPACE", "environs")
    assert read_options({"namespace": None}).namespace == "environs"
    assert read_options(typed).namespace == "typed"
    assert read_options(typed).nodes == 2


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("nodes", "3", 3),
        ("keep", "1", True),
        ("quick", "1", True),
        ("install", "false", False),
        ("reports", "/srv/reports", Path("/srv/reports")),
        ("cluster_name", "nightly", "nightly"),
        ("seed", "4294967295", 2**32 - 1),
    ],
)
def test_options_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object
) -> None:
    monkeypatch.setenv(f"MESHPROOF_{name.upper()}", text)
    assert getattr(read_options({}), name) == value


@pytest.mark.parametrize("name", Options.model_fields)
def test_an_empty_environment_variable_is_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    before = read_options({})
    monkeypatch.setenv(f"MESHPROOF_{name.upper()}", "")
    assert read_options({}) == before


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        *(
            (
                {"namespace": name},
                "--namespace: must be a DNS label: lower-case letters, digits and hyphens "
                f"(given: {name!r}).",
            )
            for name in ("Voting", "-a", "a-", "a.b", "a_b", "", "a b", "a\n", "ä", "a" * 64)
        ),
        (
            {"cluster_name": "a" * 50},
            "--cluster-name: must have 49 letters at most: names that end in “-control-plane” are "
            f"made of it (given: {'a' * 50!r}).",
        ),
        (
            {"namespace": "a" * 52},
            "--namespace: must have 51 letters at most: names that end in “-4-injection” are made "
            f"of it (given: {'a' * 52!r}).",
        ),
        (
            {"cluster_name": "My Cluster"},
            "--cluster-name: must be a DNS label: lower-case letters, digits and hyphens "
            "(given: 'My Cluster').",
        ),
        *(
            ({"namespace": name}, f"the namespace {name} belongs to the cluster.")
            for name in ("default", "istio-system", "local-path-storage", "kube-system", "kube-x")
        ),
        (
            {"cluster": "existing"},
            "--cluster existing needs --kube-context: no context is guessed.",
        ),
        ({"kube_context": "prod"}, "--kube-context goes with --cluster existing."),
        *(
            (
                {"images": "published", **more},
                "--images published needs --hub, --tag and --node-image.",
            )
            for more in ({}, {"hub": "h"}, {"tag": "t"})
        ),
        *(
            (
                {name: "given"},
                "--hub, --tag and --node-image go with --images published.",
            )
            for name in ("hub", "tag", "node_image")
        ),
        (
            {"nodes": 0},
            "--nodes: Input should be greater than or equal to 1 (given: 0).",
        ),
        (
            {"nodes": "10"},
            "--nodes: Input should be less than or equal to 9 (given: '10').",
        ),
        (
            {"nodes": "x"},
            "--nodes: Input should be a valid integer, unable to parse string as an integer "
            "(given: 'x').",
        ),
        ({"cluster": "k3s"}, "--cluster: Input should be 'kind' or 'existing' (given: 'k3s')."),
        (
            {"images": "local"},
            "--images: Input should be 'source' or 'published' (given: 'local').",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_is_one_sentence(typed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageFailure) as raised:
        read_options(typed)
    assert str(raised.value) == sentence
    assert raised.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    "typed",
    [
        {"namespace": "a"},
        {"namespace": "1-vote" + "x" * 45},
        {"cluster": "existing", "kube_context": "admin@prod"},
        {"images": "published", "hub": "registry/istio", "tag": "1.30.0", "node_image": "node:1"},
        {"nodes": "9"},
    ],
)
def test_what_can_be(typed: dict[str, Any]) -> None:
    read_options(typed)


def test_a_bad_value_in_the_environment_is_told_like_a_typed_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MESHPROOF_NODES", "many")
    with pytest.raises(UsageFailure, match=r"^--nodes: .*\(given: 'many'\)\.$"):
        read_options({})


def test_a_key_that_cannot_sign_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    generate(tmp_path / "key")
    assert read_options({}).sign_key is None
    assert read_options({"sign_key": str(tmp_path / "key")}).sign_key == tmp_path / "key"
    for name, sentence in {
        "none": "There is no key file",
        ".": "cannot be read",
        "key.pub": "is no private key that can sign",
    }.items():
        monkeypatch.setenv("MESHPROOF_SIGN_KEY", str(tmp_path / name))
        with pytest.raises(UsageFailure, match=sentence):
            read_options({})


def test_every_option_has_a_help_text_and_a_flag() -> None:
    assert all(field.description for field in Options.model_fields.values())
    assert option_flags("kube_context") == "--kube-context"
