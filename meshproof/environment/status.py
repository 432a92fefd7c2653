"""What is there now: engine, cluster, mesh and application, without a change to any of them."""

from __future__ import annotations

from meshproof.cluster.health import unready_workloads
from meshproof.cluster.kind import KindCluster
from meshproof.engine.engine import answering
from meshproof.engine.machine import this_machine
from meshproof.environment.existing import existing_cluster, shaped
from meshproof.environment.options import Options
from meshproof.errors import MeshproofError
from meshproof.mesh.istio import Istio
from meshproof.paths import state_dir
from meshproof.progress import Progress


def status(options: Options) -> list[tuple[str, str]]:
    """Say what is there: engine, cluster, mesh, application; nothing is changed."""
    engine = answering()
    rows = [("engine", engine.version if engine else "none answers")]
    if options.cluster == "kind" and engine is None:
        return [*rows, ("cluster", "cannot be seen without an engine")]
    if options.cluster == "kind" and engine:
        tools = state_dir() / "clusters" / options.cluster_name / "bin"
        kind = KindCluster(
            options.cluster_name,
            engine=engine,
            tools=tools,
            machine=this_machine(),
            progress=Progress(),
        )
        containers = kind.containers()
        if not containers:
            return [*rows, ("cluster", f"no kind cluster named {options.cluster_name}")]
        states = ", ".join(f"{c.name} {c.state}" for c in containers)
        rows.append(("cluster", f"{options.cluster_name}: {states}"))
        if any(c.state != "running" for c in containers) or not kind.kubeconfig.exists():
            return rows
        cluster = kind.cluster
        rows.append(("kubeconfig", str(kind.kubeconfig)))
        rows.append(("ingress", f"http://127.0.0.1:{kind.loopback_port()}/"))
    else:
        cluster = existing_cluster(options)
        try:
            cluster, gateway = shaped(cluster, options)
        except Exception as error:  # a status says what it sees, whatever that is
            told = error.sentence if isinstance(error, MeshproofError) else type(error).__name__
            return [*rows, ("mesh", told)]
        rows.append(("mesh", f"{cluster.mesh.revision} in {cluster.mesh.namespace}"))
        rows.append(("ingress", gateway.name))
    try:
        rows.append(("kubernetes", cluster.version))
        waiting = unready_workloads(cluster, cluster.mesh.namespaces)
        digest = Istio(cluster, progress=Progress()).installed()
        state = f"not ready: {', '.join(waiting)}" if waiting else "ready"
        rows.append(("istio", state if digest else "not installed by Meshproof"))
        pods = cluster.core.list_namespaced_pod(options.namespace).items
        rows.append((f"namespace {options.namespace}", f"{len(pods)} pods"))
    except Exception as error:  # a status says what it sees, whatever that is
        rows.append(("api server", f"does not answer ({type(error).__name__})"))
    return rows
