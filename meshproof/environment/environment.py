"""From options to a cluster and a mesh that answer: what `meshproof up` and every run do first."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlunsplit

from filelock import FileLock, Timeout
from kubernetes import config as kube_config

from meshproof.cluster.cluster import Cluster, make_tools
from meshproof.cluster.kind import LABEL, KindCluster, unready_workloads
from meshproof.cluster.kind import plan as plan_cluster
from meshproof.engine import packages
from meshproof.engine.engine import Engine, answering
from meshproof.engine.machine import Machine, this_machine
from meshproof.engine.provision import ensure_engine, unconfigure_daemon
from meshproof.engine.provision import plan as plan_engine
from meshproof.environment.options import Options
from meshproof.errors import EnvironmentBroken, MeshproofError, UsageFailure
from meshproof.mesh.istio import OPERATOR, PUBLISHED_OPERATOR, Istio, MeshSource
from meshproof.paths import ROOT, cache_dir, state_dir
from meshproof.process import run
from meshproof.progress import Progress
from meshproof.suite.deviations import deviations_of
from meshproof.supply.catalogue import TOOLS, loaded, recipes
from meshproof.supply.workshop import Workshop

#: What a source build needs from the machine, by the program that shows that it is there.
BUILD_PACKAGES = {"mmdebstrap": "mmdebstrap"}
#: Bytes; a cold build leaves some 12 GB behind, Go's build cache counted.
DISK_NEEDED = 20 * 10**9
#: Bytes; cluster, mesh and application take under 3 GiB, a link of Kubernetes about 2.
MEMORY_NEEDED = 6 * 2**30


@dataclass(frozen=True)
class Environment:
    """A cluster with a mesh that answers.

    ``made`` says that there was no cluster before (so a run takes it down again);
    ``loopback`` is the ingress gateway as reached from this machine. ``pods_since`` is when
    its nodes were last started or got other images (UTC, ISO 8601), None where they are not asked.
    """

    cluster: Cluster
    loopback: str
    made: bool
    engine: Engine | None
    images: dict[str, str]
    built: bool
    pods_since: str | None = None


def workshop(engine: Engine | None, progress: Progress) -> Workshop:
    """The workshop of this checkout, with the cache of this machine."""
    return Workshop(recipes(), root=ROOT, cache=cache_dir(), engine=engine, progress=progress)


def link_tools(shop: Workshop, folder: Path) -> Path:
    """Build kind, kubectl and istioctl where needed and link them into one folder."""
    shop.provide(*TOOLS.values())
    return make_tools(
        folder,
        {name: shop.folder(recipe) / "bin" / name for name, recipe in TOOLS.items()},
    )


def is_own(options: Options) -> bool:
    """Whether the cluster is Meshproof's own; an existing one is for others, too."""
    return options.cluster == "kind"


def up(options: Options, progress: Progress) -> Environment:
    """Bring cluster and mesh up, or find them healthy. Raises ``EnvironmentBroken``."""
    if options.cluster == "existing":
        return _existing(options, progress)
    with _only_one(options.cluster_name, progress):
        return _kind(options, progress)


@contextmanager
def _only_one(name: str, progress: Progress) -> Iterator[None]:
    """Let two runs at once bring one cluster up one after the other."""
    folder = state_dir() / "clusters"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{name}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        progress.note(f"another run is bringing cluster {name} up or down; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _kind(options: Options, progress: Progress) -> Environment:
    machine = this_machine()
    engine = ensure_engine(machine, install=options.install, progress=progress)
    shop = workshop(engine, progress)
    require_programs(shop, machine, options, progress)
    tools = link_tools(shop, state_dir() / "clusters" / options.cluster_name / "bin")
    kind = KindCluster(
        options.cluster_name, engine=engine, tools=tools, machine=machine, progress=progress
    )
    published = options.images == "published"
    if not published:
        shop.provide("node")
    node_image = options.node_image or shop.image("node")
    decided = kind.ensure(nodes=options.nodes, image=node_image, own_node=not published)
    operator = PUBLISHED_OPERATOR if published else OPERATOR
    source = MeshSource(operator, hub=options.hub, tag=options.tag)
    build = "published" if published else shop.key("node")
    istio = Istio(kind.cluster, progress=progress)
    if istio.installed() not in (None, source.digest(build)):
        # Sidecars that an older mesh injected would stay: only a new cluster has none of them.
        reason = "another Istio is installed in it"
        kind.refuse_in_use(reason)
        progress.note(f"replacing cluster {kind.name}: {reason}")
        kind.delete()
        kind.ensure(nodes=options.nodes, image=node_image, own_node=not published)
        istio = Istio(kind.cluster, progress=progress)  # the old one's address is gone
    with ThreadPoolExecutor(max_workers=1) as pool:
        loading = pool.submit(load_application, shop, kind)
        istio.ensure(source, build, kind.address())
        loading.result()
    kind.await_system()
    return Environment(
        kind.cluster,
        urlunsplit(("http", f"127.0.0.1:{kind.loopback_port()}", "", "", "")),
        made=decided.action == "create",
        engine=engine,
        images=application_images(shop, engine),
        built=not published,
        pods_since=kind.pods_since(),
    )


def application_images(shop: Workshop, engine: Engine) -> dict[str, str]:
    """The application's images as they are named in manifests, with their digests."""
    return {name: engine.image_id(shop.image(recipe)) for name, recipe in loaded().items()}


def load_application(shop: Workshop, kind: KindCluster, *, foreign: Cluster | None = None) -> bool:
    """Have the application's images, as built from this checkout, in every node.

    Says whether one lacked them; see ``KindCluster.load``.
    """
    shop.provide("application")
    pairs = [f"{fixed}={shop.image(recipe)}" for fixed, recipe in loaded().items()]
    return kind.load(shop.folder("application") / "images.tar", pairs, foreign=foreign)


def facts(environment: Environment) -> dict[str, Any]:
    """What was tested, exactly: versions, image digests, and what is not the tutorial's own.

    What takes a command each is asked at once.
    """
    engine = environment.engine
    storage = environment.images.get("localhost/voting/storage:2.0")
    with ThreadPoolExecutor() as pool:
        mesh = pool.submit(Istio(environment.cluster, progress=Progress()).versions)
        found: dict[str, Any] = {}
        asked = {}
        if engine:
            found["engine"] = engine.version
            asked["kind"] = pool.submit(kind_version, environment.cluster.tools)
            if storage:
                asked["mysql"] = pool.submit(mariadb_version, engine, storage)
    return {
        "kubernetes": environment.cluster.version,
        "cluster": environment.cluster.name,
        **mesh.result(),
        "images": environment.images,
        "deviations": [one.text for one in deviations_of(built=environment.built)],
        **found,
        **{name: answer.result() for name, answer in asked.items()},
    }


def kind_version(tools: Path) -> str:
    """The version of the kind that made the cluster."""
    return run([tools / "kind", "version", "--quiet"]).stdout.strip()


def mariadb_version(engine: Engine, image: str) -> str:
    """The version of MariaDB in an image: the newest that Debian had when the image was built."""
    printed = engine.run("run", "--rm", "--entrypoint=mariadbd", image, "--version").stdout
    return "MariaDB " + printed.split()[2]


def down(options: Options, progress: Progress) -> bool:
    """Take the kind cluster down. Says whether there was one."""
    if options.cluster == "existing":
        raise UsageFailure("`down` deletes only clusters that `up` made; an existing one is yours.")
    with _only_one(options.cluster_name, progress):
        return _down(options, progress)


def down_all(options: Options, progress: Progress) -> list[str]:
    """Undo all that can be undone; returns what was done and what is left, in sentences.

    Every cluster that was made goes, and what was put into the engine's configuration.
    """
    folder = state_dir() / "clusters"
    names = {path.name for path in folder.iterdir() if path.is_dir()} if folder.exists() else set()
    said = [
        f"deleted: cluster {name}"
        for name in sorted(names | {options.cluster_name})
        if down(options.model_copy(update={"cluster_name": name}), progress)
    ]
    try:
        said += unconfigure_daemon()
    except OSError as error:
        said.append(f"left: the engine's configuration, which may not be changed ({error})")
    for about, path in (
        ("what was built, and logs", cache_dir()),
        ("the history of reports and runs, and logs", state_dir()),
    ):
        if path.exists():
            said.append(f"left: {about}, in {path}")
    said.append("left: images in the engine whose names begin with localhost/meshproof/")
    return [*said, "left: Debian packages that were installed, Docker among them"]


def _down(options: Options, progress: Progress) -> bool:
    engine = answering()
    machine = this_machine()
    if engine is None:
        if not shutil.which("dockerd"):
            return False
        engine = ensure_engine(machine, install=False, progress=progress)
    tools = state_dir() / "clusters" / options.cluster_name / "bin"
    kind = KindCluster(
        options.cluster_name, engine=engine, tools=tools, machine=machine, progress=progress
    )
    there = bool(kind.containers())
    if there and not (tools / "kind").exists():
        link_tools(workshop(engine, progress), tools)
    kind.delete()
    return there


def cluster_exists(options: Options) -> bool:
    """Whether there is a kind cluster of this name, as far as an engine that answers knows."""
    engine = answering()
    return engine is not None and bool(engine.containers(f"{LABEL}={options.cluster_name}"))


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
        rows.append(("kubernetes", cluster.version))
        waiting = unready_workloads(cluster, ("istio-system",))
        digest = Istio(cluster, progress=Progress()).installed()
        state = f"not ready: {', '.join(waiting)}" if waiting else "ready"
        rows.append(("istio", state if digest else "not installed by Meshproof"))
        pods = cluster.core.list_namespaced_pod(options.namespace).items
        rows.append((f"namespace {options.namespace}", f"{len(pods)} pods"))
    except Exception as error:  # a status says what it sees, whatever that is
        rows.append(("api server", f"does not answer ({type(error).__name__})"))
    return rows


@dataclass(frozen=True)
class Finding:
    """One line of `meshproof doctor`; ``fatal`` means that `up` cannot work here."""

    subject: str
    text: str
    fatal: bool = False


def doctor(options: Options) -> list[Finding]:
    """Say what this machine has and lacks and what `up` would do, in seconds, changing nothing."""
    machine = this_machine()
    engine = answering()
    can_install = machine.debian and options.install
    can_start = machine.root if shutil.which("dockerd") else can_install
    findings = [
        Finding("machine", f"{machine.distribution} {machine.codename}, {machine.cores} cores, "
                f"{machine.memory / 2**30:.1f} GiB, cgroup v{machine.cgroup}"),
        Finding("capabilities", f"withheld: {', '.join(machine.withheld)}; one "
                "started here gets a runtime without" if machine.withheld else "all there"),
        Finding("memory", "enough" if machine.memory >= MEMORY_NEEDED else
                f"{MEMORY_NEEDED / 2**30:.0f} GiB are needed", machine.memory < MEMORY_NEEDED),
        Finding("disk", f"{machine.disk_free / 10**9:.0f} GB free; a cold build takes up to "
                f"{DISK_NEEDED / 10**9:.0f}", machine.disk_free < DISK_NEEDED // 4),
        Finding("engine", plan_engine(machine, engine, install=options.install),
                engine is None and not can_start),
    ]  # fmt: skip
    for program, package in BUILD_PACKAGES.items():
        if not shutil.which(program):
            would = f"the Debian package {package} would be installed"
            lacking = f"missing: install the package {package}"
            text = would if can_install else lacking
            findings.append(Finding(program, text, fatal=not can_install))
    shop = workshop(engine, Progress())
    missing = shop.missing(["kind", "istio", "kubernetes", "node", "application"])
    findings.append(
        Finding(
            "supply", f"to be built: {', '.join(missing)}" if missing else "everything is built"
        )
    )
    if options.cluster == "kind" and engine:
        kind = KindCluster(options.cluster_name, engine=engine, tools=Path(), machine=machine,
                           progress=Progress())  # fmt: skip
        image = options.node_image or shop.image("node")
        decided = plan_cluster(kind.containers(), nodes=options.nodes, image=image)
        findings.append(Finding("cluster", f"would {decided.action}: {decided.reason}"))
    return findings


def require_programs(
    shop: Workshop, machine: Machine, options: Options, progress: Progress
) -> None:
    """Install what building images needs from Debian, where their base is not built yet."""
    if shop.has("debian"):
        return
    lacking = tuple(
        package for program, package in BUILD_PACKAGES.items() if not shutil.which(program)
    )
    if lacking:
        packages.install_packages(
            lacking,
            why="Making the base of the images",
            machine=machine,
            allowed=options.install,
            progress=progress,
        )


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


def _existing(options: Options, progress: Progress) -> Environment:
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
    given = os.environ.get("MESHPROOF_INGRESS_URL")
    if not address and not given:
        raise EnvironmentBroken(
            "The ingress gateway of the existing cluster has no address yet: wait until its "
            "Service has one, or say in MESHPROOF_INGRESS_URL where it answers."
        )
    engine = answering()
    images: dict[str, str] = {}
    pods_since: str | None = None
    if engine:
        name = (options.kube_context or "").removeprefix("kind-")
        kind = KindCluster(
            name, engine=engine, tools=cluster.tools, machine=this_machine(), progress=progress
        )
        if kind.containers():  # a kind cluster of this engine: the application can be loaded
            shop = workshop(engine, progress)
            now = datetime.now(UTC).isoformat()
            pods_since = now if load_application(shop, kind, foreign=cluster) else None
            images = application_images(shop, engine)
    base = given or f"http://{address}"
    return Environment(
        cluster,
        base,
        made=False,
        engine=engine,
        images=images,
        built=False,
        pods_since=pods_since,
    )
