"""A cluster that somebody else made: found by its kubeconfig context, used as it is."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from kubernetes import config as kube_config

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.kind import KindCluster
from meshproof.engine.engine import answering
from meshproof.engine.machine import this_machine
from meshproof.environment.environment import (
    Environment,
    application_images,
    link_tools,
    load_application,
    workshop,
)
from meshproof.environment.images import from_registry
from meshproof.environment.options import Options
from meshproof.errors import EnvironmentBroken, MeshproofError, UsageFailure
from meshproof.mesh.istio import Istio
from meshproof.paths import state_dir
from meshproof.process import run
from meshproof.progress import Progress


def existing_cluster(options: Options) -> Cluster:
    """Cut the named context out of the user's kubeconfig, which itself is never written.

    The copy, with what lets its reader in, is this user's alone and goes when the process ends.
    """
    context = options.kube_context or ""
    digest = hashlib.sha256(context.encode()).hexdigest()[:16]  # a/b and a_b are two
    tools = link_tools(workshop(None, Progress()), state_dir() / "existing" / digest / "bin")
    folder = Path(tempfile.mkdtemp(prefix="meshproof-kubeconfig-"))  # for its owner alone
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    own = folder / "kubeconfig"
    for left in (state_dir() / "existing").glob("*/kubeconfig"):
        left.unlink(missing_ok=True)  # by releases that kept it
    with suppress(kube_config.ConfigException):
        known = [entry["name"] for entry in kube_config.list_kube_config_contexts()[0]]
        if context not in known:
            raise UsageFailure(
                f"There is no kubeconfig context “{context}”; there are: {', '.join(known)}."
            )
    cut = run(
        [
            tools / "kubectl",
            "config",
            "view",
            "--context",
            context,
            "--minify",
            "--flatten",
            "--raw",
        ]
    )
    own.touch(mode=0o600)
    own.write_text(cut.stdout)
    return Cluster(context, own, tools)


def use_existing(options: Options, progress: Progress) -> Environment:
    """Find the cluster and its mesh. Raises ``EnvironmentBroken`` where one is not there."""
    cluster = existing_cluster(options)
    try:
        version = cluster.version
    except Exception as error:
        raise EnvironmentBroken(
            f"The cluster of context “{options.kube_context}” does not answer: "
            f"{type(error).__name__}."
        ) from error
    progress.note(f"using the cluster of context {options.kube_context} (Kubernetes {version})")
    istio = Istio(cluster, progress=progress)
    try:
        address = istio.ingress_address()
    except MeshproofError:
        raise
    except Exception as error:
        raise EnvironmentBroken(
            f"The cluster of context “{options.kube_context}” has no Istio ingress gateway "
            "(Service istio-system/istio-ingressgateway): install Istio there first."
        ) from error
    if not address and not options.ingress_url:
        raise EnvironmentBroken(
            "The ingress gateway of the existing cluster has no address yet: wait until its "
            "Service has one, or say by --ingress-url where it answers."
        )
    engine = answering()
    cluster = from_registry(cluster, options, progress)
    images = cluster.images.digests if cluster.images else {}
    pods_since: str | None = None
    if engine and not cluster.images:
        name = (options.kube_context or "").removeprefix("kind-")
        kind = KindCluster(
            name, engine=engine, tools=cluster.tools, machine=this_machine(), progress=progress
        )
        if kind.containers():  # a kind cluster of this engine: the application can be loaded
            shop = workshop(engine, progress)
            now = datetime.now(UTC).isoformat()
            pods_since = now if load_application(shop, kind, foreign=cluster) else None
            images = application_images(shop, engine)
    base = options.ingress_url or f"http://{address}"
    return Environment(
        cluster,
        base,
        made=False,
        engine=engine,
        images=images,
        built=False,
        pods_since=pods_since,
    )
