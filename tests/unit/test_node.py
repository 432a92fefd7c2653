from __future__ import annotations

import re

import pytest

from meshproof.errors import EnvironmentBroken
from meshproof.supply.node import (
    BAKED_IN,
    CONTROL_PLANE,
    KUBERNETES_VERSION,
    STORAGE,
    cni_image,
    last_part,
    names_in_cluster,
    sandbox_image,
    storage_images,
)

KUBEADM = [
    *(f"registry/{name}:v1" for name in CONTROL_PLANE if name not in ("coredns", "etcd")),
    "registry/coredns/coredns:v1.14.2",
    "registry/pause:3.10.1",
    "registry/etcd:3.6.5-0",
]
KIND_STORAGE = ["hub/local-path-provisioner:v2", "hub/local-path-helper:v3"]
PAUSE = "registry/pause:3.10"


def test_every_image_recipe_gets_the_name_that_the_cluster_asks_for() -> None:
    names = names_in_cluster(KUBEADM, KIND_STORAGE, PAUSE)
    assert names["image-coredns"] == ["registry/coredns/coredns:v1.14.2"]
    assert names["image-etcd"] == ["registry/etcd:3.6.5-0"]
    assert names["image-local-path-helper"] == ["hub/local-path-helper:v3"]
    assert set(names) == {
        "image-pause",
        *CONTROL_PLANE.values(),
        *STORAGE.values(),
        *BAKED_IN.values(),
    }


def test_pause_has_the_name_that_containerd_asks_for_not_kubeadms() -> None:
    assert names_in_cluster(KUBEADM, KIND_STORAGE, PAUSE)["image-pause"] == [PAUSE]


def test_what_is_baked_in_has_the_name_of_a_manifest() -> None:
    names = names_in_cluster(KUBEADM, KIND_STORAGE, PAUSE)
    assert {name: recipe for recipe in names for name in names[recipe] if name in BAKED_IN} == (
        BAKED_IN
    )


def test_an_image_that_nothing_builds_is_named() -> None:
    with pytest.raises(EnvironmentBroken, match="asks for the image registry/new-thing:v1, and"):
        names_in_cluster([*KUBEADM, "registry/new-thing:v1"], KIND_STORAGE, PAUSE)


@pytest.mark.parametrize(
    ("image", "part"),
    [
        ("registry/coredns/coredns:v1.14.2", "coredns"),
        ("registry:5000/pause", "pause"),
        ("etcd:3.6", "etcd"),
    ],
)
def test_last_part_of_an_image(image: str, part: str) -> None:
    assert last_part(image) == part


def test_storage_images_of_a_kind_release() -> None:
    source = (
        "package nodeimage\n\n"
        'const storageProvisionerImage = "hub/local-path-provisioner:v2"\n'
        'const storageHelperImage = "hub/local-path-helper:v3"\n'
        "// image we need to preload\n"
        "var storageImages = []string{storageProvisionerImage, storageHelperImage}\n"
        'const other = "hub/other:v1"\n'
    )
    assert storage_images(source) == KIND_STORAGE


def test_cni_image_of_a_kind_release() -> None:
    source = 'package nodeimage\n\nconst kindnetdImage = "hub/kindnetd:v2025"\n'
    assert cni_image(source) == "hub/kindnetd:v2025"
    with pytest.raises(EnvironmentBroken, match="CNI image"):
        cni_image('var kindnetdImage = "hub/kindnetd:v2025"\n')


def test_sandbox_image_of_a_containerd_configuration() -> None:
    config = (
        "version = 2\n\n"
        '[plugins."io.containerd.grpc.v1.cri"]\n'
        '  # sandbox_image = "hub/old:1"\n'
        f'  sandbox_image = "{PAUSE}"\n'
    )
    assert sandbox_image(config) == PAUSE
    with pytest.raises(EnvironmentBroken, match="sandbox image"):
        sandbox_image("version = 2\n")


def test_the_version_of_kubernetes_is_a_release() -> None:
    assert re.fullmatch(r"v1\.\d+\.\d+", KUBERNETES_VERSION)
