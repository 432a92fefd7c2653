from __future__ import annotations

from pathlib import Path

import pytest

from meshproof.mesh.istio import MeshSource


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
