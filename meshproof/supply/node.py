"""The node image: kind's own build, fed with what was built here, pulling nothing."""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

from meshproof.errors import EnvironmentBroken
from meshproof.process import run
from meshproof.supply.archive import rename_images
from meshproof.supply.go import module_folder, required_version
from meshproof.supply.recipe import Recipe
from meshproof.supply.workshop import Workbench

KIND_MODULE = "sigs.k8s.io/kind"
KUBERNETES_VERSION = required_version("kubernetes", "k8s.io/kubernetes")

# What kubeadm calls an image, by the last part of its name → the recipe that makes it.
CONTROL_PLANE = {
    "kube-apiserver": "image-kube-apiserver",
    "kube-controller-manager": "image-kube-controller-manager",
    "kube-scheduler": "image-kube-scheduler",
    "kube-proxy": "image-kube-proxy",
    "etcd": "image-etcd",
    "coredns": "image-coredns",
}
# What kind's storage manifest calls an image → the recipe that makes it.
STORAGE = {
    "local-path-provisioner": "image-local-path-provisioner",
    "local-path-helper": "image-local-path-helper",
}
#: The images that every cluster of ours needs and that seldom change, by the name in a manifest.
BAKED_IN = {
    "localhost/istio/pilot:1.31-dev": "image-istio-pilot",
    "localhost/istio/proxyv2:1.31-dev": "image-istio-proxyv2",
}


def stage_node_base(bench: Workbench, context: Path) -> None:
    """Put kind's own node files and the built binaries into the context of the node's base."""
    module = module_folder("kind", KIND_MODULE)
    shutil.copytree(module / "images/base/files", context / "files")
    shutil.copytree(bench.artefact("containerd") / "bin", context / "bin")
    shutil.copytree(bench.artefact("cni-plugins") / "bin", context / "cni")
    for path in (context / "files").rglob("*"):  # the module cache is read-only, and so are copies
        path.chmod(path.stat().st_mode | 0o200)


def last_part(image: str) -> str:
    """Return ``coredns`` for ``registry/coredns/coredns:v1``."""
    return image.rpartition("/")[2].partition(":")[0]


def storage_images(source: str) -> list[str]:
    """Read the storage images that a kind release asks for out of its Go source."""
    return re.findall(r'^const storage\w+Image = "([^"]+)"', source, re.MULTILINE)


def cni_image(source: str) -> str:
    """Read the CNI image of a kind release, which it demands even where its CNI is switched off."""
    found = re.search(r'^const kindnetdImage = "([^"]+)"', source, re.MULTILINE)
    if not found:
        raise EnvironmentBroken("kind's source does not name its CNI image where it used to.")
    return found[1]


def sandbox_image(containerd_config: str) -> str:
    """Read the pause image out of a containerd configuration."""
    found = re.search(r'^\s*sandbox_image = "([^"]+)"', containerd_config, re.MULTILINE)
    if not found:
        raise EnvironmentBroken("kind's containerd configuration names no sandbox image.")
    return found[1]


def names_in_cluster(
    kubeadm_images: list[str], storage: list[str], pause: str
) -> dict[str, list[str]]:
    """Map each image recipe to the names under which the cluster asks for it.

    Raises ``EnvironmentBroken`` for an image that nothing here builds.
    """
    names: dict[str, list[str]] = {"image-pause": [pause]}
    known: Mapping[str, str] = CONTROL_PLANE | STORAGE
    for image in [*kubeadm_images, *storage]:
        if last_part(image) == "pause":
            continue
        if last_part(image) not in known:
            raise EnvironmentBroken(f"A node asks for the image {image}, and no recipe makes it.")
        names.setdefault(known[last_part(image)], []).append(image)
    for image, recipe in BAKED_IN.items():
        names.setdefault(recipe, []).append(image)
    return names


def build_node(bench: Workbench) -> None:
    """Build the node image. Raises ``EnvironmentBroken`` with kind's last words."""
    kubernetes = bench.artefact("kubernetes") / "bin"
    module = module_folder("kind", KIND_MODULE)
    build_source = module / "pkg/build/nodeimage"
    printed = run(
        [
            kubernetes / "kubeadm",
            "config",
            "images",
            "list",
            f"--kubernetes-version={KUBERNETES_VERSION}",
        ]
    ).stdout
    config = (module / "images/base/files/etc/containerd/config.toml").read_text()
    names = names_in_cluster(
        printed.split(),
        storage_images((build_source / "const_storage.go").read_text()),
        sandbox_image(config),
    )
    engine = bench.workshop.engine
    saved, renamed = bench.out / "saved.tar", bench.out / "images.tar"
    by_reference = {bench.image_of(recipe): tags for recipe, tags in names.items()}
    engine.save_images(bench.run, list(by_reference), saved)
    rename_images(
        saved, renamed, by_reference, also=[cni_image((build_source / "const_cni.go").read_text())]
    )
    saved.unlink()
    # kind wants four archives; one with everything in it will do, if the others are there.
    small, pause = bench.out / "saved-pause.tar", bench.out / "pause.tar"
    engine.save_images(bench.run, [bench.image_of("image-pause")], small)
    rename_images(small, pause, {bench.image_of("image-pause"): names["image-pause"]})

    version_file = bench.out / "version"
    version_file.write_text(KUBERNETES_VERSION)
    tarball = bench.out / "kubernetes-server.tar.gz"
    server = "kubernetes/server/bin"
    with tarfile.open(tarball, "w:gz", compresslevel=0) as archive:
        archive.add(version_file, "kubernetes/version")
        for binary in ("kubeadm", "kubelet", "kubectl"):
            archive.add(kubernetes / binary, f"{server}/{binary}")
        archive.add(renamed, f"{server}/kube-apiserver.tar")
        for component in ("kube-controller-manager", "kube-scheduler", "kube-proxy"):
            archive.add(pause, f"{server}/{component}.tar")
    renamed.unlink()
    bench.run(
        bench.artefact("kind") / "bin" / "kind", "build", "node-image",
        "--type=file", f"--base-image={bench.image_of('image-node-base')}",
        f"--image={bench.image}", tarball,
        env={**engine.kind_environment, **engine.docker_shim(bench.out), "TMPDIR": str(bench.out)},
    )  # fmt: skip


RECIPE = Recipe(
    "node",
    f"the node image: kind's, with Kubernetes {KUBERNETES_VERSION} and the images clusters need",
    build_node,
    needs=(
        "kind",
        "kubernetes",
        "image-node-base",
        "image-pause",
        *CONTROL_PLANE.values(),
        *STORAGE.values(),
        *BAKED_IN.values(),
    ),
    image=True,
)
