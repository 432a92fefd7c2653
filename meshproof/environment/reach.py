"""The cluster that a question is about, as it is: nothing is built, started or changed for it."""

from __future__ import annotations

from meshproof.cluster.cluster import Cluster
from meshproof.environment.existing import existing_cluster, in_its_mesh, shaped
from meshproof.environment.options import Options
from meshproof.errors import EnvironmentBroken
from meshproof.paths import state_dir


def reach(options: Options) -> Cluster:
    """Return the cluster of these options. Raises ``EnvironmentBroken`` where there is none."""
    if options.cluster == "existing":
        return existing_cluster(options)
    folder = state_dir() / "clusters" / options.cluster_name
    kubeconfig = folder / "kubeconfig"
    if not kubeconfig.exists():
        raise EnvironmentBroken(
            f"There is no cluster “{options.cluster_name}” to ask: `meshproof up` makes one."
        )
    return Cluster(options.cluster_name, kubeconfig, folder / "bin")


def reach_mesh(options: Options) -> Cluster:
    """Return the cluster of these options with the shape of its mesh, where that is another's.

    Raises as `reach` and `shaped` do.
    """
    cluster = reach(options)
    return shaped(cluster, options)[0] if options.cluster == "existing" else cluster


def reach_istiod(options: Options) -> Cluster:
    """Return the cluster of these options, once an istiod is there as they have it.

    Where they say nothing of one it is not looked for. Raises as `reach` and `in_its_mesh` do.
    """
    cluster = reach(options)
    told = options.istio_namespace or options.revision
    return in_its_mesh(cluster, options) if told else cluster
