"""What a suite file says: a tutorial, what it promises, and what the harness knows of it.

`docs/suites.md` tells each field; `meshproof.suite.reading` reads the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from meshproof.paths import PROJECT

#: Who calls, and who is called.
Arrow = tuple[str, str]
#: Nothing is converted, and nothing is said that nobody asks for.
STRICT = ConfigDict(strict=True, extra="forbid")


@dataclass(frozen=True, config=STRICT)
class Expectation:
    """One promise: its id, the section of the tutorial, what is promised, and how it is proved."""

    id: str
    section: str
    promise: str
    proof: str


@dataclass(frozen=True, config=STRICT)
class Stage:
    """A point of the tutorial.

    ``commands`` lead to it from the stage before; file names are relative to the suite's
    manifests, and ``{namespace}`` stands for the namespace. ``served`` says that the page
    answers through the ingress from here on. ``also_for`` are the headers of users whom pods of
    another version answer than everybody else's: the gateway must know these pods, too.
    """

    name: str
    commands: tuple[str, ...] = ()
    served: bool = False
    also_for: Mapping[str, str] = field(default_factory=dict, hash=False)

    def command_lines(self, namespace: str) -> list[str]:
        """The commands as they are typed."""
        return [command.format(namespace=namespace) for command in self.commands]


@dataclass(frozen=True, config=STRICT)
class Served:
    """How the page is known to be served: it answers 200 at a path, and holds a text."""

    path: str = "/"
    holds: str = ""

    def by(self, status: int | None, body: str) -> bool:
        """Whether an answer is the page."""
        return status == 200 and self.holds in body


@dataclass(frozen=True, config=STRICT)
class Workload:
    """A version of an app: its container, and the ``port`` and ``protocol`` that this serves.

    ``health`` is the path in HTTP that it answers whatever has become of its store, ``path`` what
    it serves there without changing anything, where that is more.
    """

    app: str
    version: str
    container: str
    port: int
    protocol: str
    health: str = ""
    path: str = ""

    @property
    def name(self) -> str:
        """The app and the version."""
        return f"{self.app} {self.version}"


@dataclass(frozen=True, config=STRICT)
class Image:
    """An image that is loaded into the nodes, by its ``name`` in the manifests.

    ``recipe`` is what builds it: one of the harness's own, or, where there is a ``folder`` of
    ``images/``, the suite's, by the Dockerfile there with these build ``arguments``; ``about`` says
    what it is, then. ``versions`` are facts that reports state: by their names, the programs in the
    image that print them, asked with ``--version``.
    """

    name: str
    recipe: str
    folder: str = ""
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)
    about: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, config=STRICT)
class Deviation:
    """One way in which what is tested is not the tutorial's own, or not the default.

    ``name`` is short and unique, ``text`` says what is other, ``why`` the reason, each in a
    sentence. ``expectations`` are the ids of those that rest on it: without it they would be
    proved otherwise, of something else, or not at all. ``built`` says that it is so only where
    Meshproof built the cluster and its mesh, and not on a cluster that was there.
    """

    name: str
    text: str
    why: str
    expectations: tuple[str, ...] = ()
    built: bool = False


@dataclass(frozen=True, config=STRICT)
class Suite:
    """A tutorial and what is known of it. ``file`` is the suite file that it was read from.

    ``source`` says where the tutorial was published; ``sections`` are the titles of its sections
    by their tags. ``calls`` are those that workloads may make: by the stage, and by who calls, who
    is called. ``served`` says where the page is and how it is told from others; ``page`` are the
    ids of its elements, which only the suite's own steps know.
    """

    file: Path
    name: str
    title: str
    source: str
    sections: Mapping[str, str]
    expectations: tuple[Expectation, ...]
    stages: tuple[Stage, ...]
    workloads: tuple[Workload, ...] = ()
    calls: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    served: Served = Served()
    page: tuple[str, ...] = ()
    images: tuple[Image, ...] = ()
    deviations: tuple[Deviation, ...] = ()

    @property
    def features(self) -> Path:
        """The folder of its features."""
        return self.file.parent

    @property
    def manifests(self) -> Path:
        """The folder of its manifests."""
        return PROJECT / "manifests" / self.name

    @property
    def stage_names(self) -> tuple[str, ...]:
        """The names of its stages, in the tutorial's order."""
        return tuple(stage.name for stage in self.stages)

    def stage(self, name: str) -> Stage:
        """Return a stage. Raises ``KeyError``, naming the stages, for an unknown one."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(f"no stage “{name}”; the stages are: {', '.join(self.stage_names)}")

    def workload(self, name: str) -> Workload:
        """Return a workload, by app and version. Raises ``KeyError`` for an unknown one."""
        return {workload.name: workload for workload in self.workloads}[name]

    def arrows(self, stage: str | None = None) -> frozenset[Arrow]:
        """Return who may call whom at a stage; without one, at the last that says so.

        Raises ``KeyError`` for a stage that says nothing of it.
        """
        if not self.calls:
            return frozenset()
        calls = self.calls[stage or next(reversed(tuple(self.calls)))]
        return frozenset((source, target) for source, to in calls.items() for target in to)
