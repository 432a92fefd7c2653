from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.mesh.istio import Istio, MeshSource
from meshproof.progress import Progress


@pytest.fixture
def operator(tmp_path: Path) -> Path:
    path = tmp_path / "operator.yaml"
    path.write_text("kind: IstioOperator\n")
    return path


def test_only_published_images_are_set_beside_the_operator_file(operator: Path) -> None:
    assert MeshSource(operator).settings == ()
    published = MeshSource(operator, hub="registry/istio", tag="1.30.0")
    assert published.settings == ("--set=hub=registry/istio", "--set=tag=1.30.0")


def test_the_same_installation_has_the_same_digest(operator: Path) -> None:
    assert MeshSource(operator).digest("0123") == MeshSource(operator).digest("0123")


def test_whatever_the_installation_is_made_of_changes_its_digest(operator: Path) -> None:
    digests = {
        MeshSource(operator).digest("0123"),
        MeshSource(operator).digest("4567"),
        MeshSource(operator, hub="registry/istio", tag="1.30.0").digest("0123"),
    }
    operator.write_text("kind: IstioOperator\nspec: {}\n")
    assert len(digests | {MeshSource(operator).digest("0123")}) == 4


@pytest.mark.parametrize(
    ("stated", "address"),
    [
        (None, None),
        ([], None),
        ([("10.0.0.1", None)], "10.0.0.1"),
        ([(None, "ab-1.elb.example.com")], "ab-1.elb.example.com"),
        ([(None, None), ("10.0.0.2", None)], "10.0.0.2"),
    ],
)
def test_the_gateways_address_is_what_its_service_states(
    monkeypatch: pytest.MonkeyPatch,
    cluster: Cluster,
    progress: Progress,
    stated: list[tuple[str | None, str | None]] | None,
    address: str | None,
) -> None:
    ingress: Any = stated and [SimpleNamespace(ip=ip, hostname=name) for ip, name in stated]
    service: Any = SimpleNamespace(
        status=SimpleNamespace(load_balancer=SimpleNamespace(ingress=ingress))
    )
    core = SimpleNamespace(read_namespaced_service=lambda name, namespace: service)
    monkeypatch.setattr(Cluster, "core", core)
    assert Istio(cluster, progress=progress).ingress_address() == address
