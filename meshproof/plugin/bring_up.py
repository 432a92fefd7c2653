"""Bringing cluster and mesh up once for all lanes of a run, and down again at its end."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException
from pydantic import TypeAdapter
from urllib3.exceptions import HTTPError

from meshproof.cluster.cluster import RUN_VARIABLE, Cluster, Owner, new_owner
from meshproof.cluster.lease import Holder, living
from meshproof.environment import bring_up, take_down
from meshproof.environment import environment as running
from meshproof.environment.environment import Environment
from meshproof.environment.options import Options
from meshproof.errors import MeshproofError
from meshproof.interruption import interruption
from meshproof.mesh.capabilities import Capability
from meshproof.plugin.namespaces import namespaces_by_suite
from meshproof.plugin.reporting import environment_facts
from meshproof.plugin.run_folder import run_folder
from meshproof.plugin.scenarios import (
    asks_what_is_left,
    is_published,
    manifests_of_run,
    put_in_order,
    suites_of,
)
from meshproof.probes.admission import require_admitted
from meshproof.probes.inventory import Inventory, take_at_rest
from meshproof.probes.scratch_namespace import delete_namespaces
from meshproof.progress import Progress
from meshproof.run.claims import Claims


@dataclass(frozen=True)
class Ground:
    """What all lanes stand on: the environment, or why there is none, in a sentence and details.

    ``facts`` is what the sign-off states of it; ``before`` what the cluster held before the
    tutorial was followed, where a scenario will ask.
    """

    environment: Environment | None = None
    facts: dict[str, Any] | None = None
    before: Inventory | None = None
    failure: tuple[str, str] | None = None


GROUND = TypeAdapter(Ground)


class BringUp:
    """Brings the environment up for this process and its lanes, and down again at the end."""

    def __init__(self, config: pytest.Config, options: Options) -> None:
        """Nothing is done before it is asked for."""
        self.config = config
        self.options = options
        self.progress = progress_of(config)
        self.asked_what_is_left = False
        self.claims = Claims(
            lambda: self.owner,
            self.progress,
            may_put_off=not config.getoption("numprocesses", None),
        )
        self._lock = threading.Lock()
        self._ground: Ground | None = None
        self._thread: threading.Thread | None = None
        #: Whether there was no cluster when this run began to bring one up.
        self._makes = False
        #: Told once it is up; what each begins beside the run is waited for before it goes down.
        self.once_up: list[Callable[[Environment], threading.Thread | None]] = []
        self._beside: list[threading.Thread] = []
        self._owner = new_owner(options.namespace)
        os.environ[RUN_VARIABLE] = self._owner.run  # for runs that this one's tests start

    @property
    def owner(self) -> Owner:
        """This run, where it follows its suites' tutorials."""
        first, *further = namespaces_by_suite(self.options, suites_of(self.config)).values()
        return replace(self._owner, namespace=first, also=tuple(further))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what of the environment scenarios will ask for."""
        self.needed_by(session.items)

    def needed_by(self, items: Iterable[pytest.Item]) -> None:
        """Note what of the environment these items will ask for."""
        items = list(items)
        self.asked_what_is_left |= any(map(asks_what_is_left, items))
        self.claims.needs_any_host |= any(map(is_published, items))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Have what is published for any host come last, where another run has that way in."""
        if session.testsfailed or not self.claims.may_put_off:
            return
        if self.claims.needs_any_host:
            self.ground()
            if self.claims.lanes[-1].host:
                put_in_order(session.items, published_last=True)

    def begin(self) -> None:
        """Bring it up beside whatever else is done, and tell lanes of it once it is there."""

        def make() -> None:
            told = ground_file(self.config)
            partial = told.with_suffix(".partial")
            partial.write_bytes(GROUND.dump_json(self.ground()))
            partial.rename(told)

        self._thread = threading.Thread(target=make, daemon=True)
        self._thread.start()

    def ground(self) -> Ground:
        """What there is, once it was brought up; a second call returns the same."""
        with self._lock:
            if self._ground is None:
                self._ground = self._make()
            return self._ground

    def _make(self) -> Ground:
        options, progress = self.options, self.progress
        found: Environment | None = None
        self._makes = options.cluster == "kind" and not take_down.cluster_exists(options)
        try:
            found = bring_up.up(options, progress)
            self._makes = found.made  # another run may have been quicker
            if not running.is_own(options):
                manifests = manifests_of_run(self.config, options).values()
                for line in require_admitted(found.cluster, manifests, options.namespace):
                    progress.note(line)
            found = replace(found, cluster=replace(found.cluster, owner=self.owner))
            self.claims.claim(found.cluster)
            facts = running.facts(found)
            before = None
            if self.asked_what_is_left and Capability.LISTING not in found.unseen:
                with progress.step("list what the cluster holds without the tutorial"):
                    tutorials = self.owner.tutorials
                    delete_namespaces(found.cluster, *tutorials, progress=progress)
                    before = take_at_rest(
                        found.cluster,
                        found.engine,
                        *tutorials,
                        whole=running.is_own(options),
                    )
        except MeshproofError as error:
            others = _others_on(found.cluster) if found else []
            if self._makes and not options.keep and not others:
                with suppress(MeshproofError):  # the first failure is the one to tell
                    take_down.down(options, progress)
            return Ground(failure=(error.sentence, error.details))
        except Exception as error:  # lanes must not wait for what will not come
            return Ground(failure=("Bringing up ended in an error of its own.", repr(error)))
        environment_facts(self.config).update(facts)
        self._beside += [thread for begin in self.once_up if (thread := begin(found))]
        return Ground(found, facts, before)

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self) -> Generator[None, None, None]:
        """Take down what this run brought up, unless ``--keep``, once the verdict is said.

        Its namespaces go, too, on a cluster that is not the suite's own, and, where it was told to
        end, on any that stays. Also where a fixture could not put back what it changed.
        """
        try:
            yield
        finally:
            self._end()

    def _end(self) -> None:
        self.join()
        found = self._ground.environment if self._ground else None
        try:
            if not self.options.keep:
                self._take_down(found)
        finally:
            self.claims.release()

    def _take_down(self, found: Environment | None) -> None:
        others = _others_on(found.cluster) if found else []
        made = found.made if found else interruption.number and self._makes
        if made and not others:
            take_down.down(self.options, self.progress)
            return
        if found and found.made:
            name = found.cluster.name
            self.progress.note(f"cluster {name} is left: another run uses it ({others[0]})")
        foreign = not running.is_own(self.options)
        if found and (foreign or interruption.number or others):
            # The others may wait for the way in, and nobody else may delete what is this run's.
            delete_namespaces(found.cluster, *self.owner.tutorials, progress=self.progress)

    def join(self) -> None:
        """Wait until what brings it up in a thread of its own has ended, and what is beside it."""
        if self._thread:
            self._thread.join()
        for thread in self._beside:
            thread.join()

    def left(self) -> str:
        """Say what is left where nothing is taken down any more."""
        name, namespaces = self.options.cluster_name, self.owner.tutorials
        if self._makes:
            return f"The cluster {name} is left: `meshproof down --cluster-name {name}` deletes it."
        cleaning = " and ".join(f"`meshproof clean --namespace {one}`" for one in namespaces)
        return (
            f"The namespace {' and '.join(namespaces)} and those beside it may be left, and what "
            f"scenarios had changed: {cleaning} takes all that away, a minute from now."
        )


def _others_on(cluster: Cluster) -> list[Holder]:
    """Other runs on a cluster; none where it does not answer any more."""
    try:
        return living(cluster)
    except (ApiException, HTTPError):
        return []


def ground_file(config: pytest.Config) -> Path:
    """Where lanes learn what they stand on."""
    return run_folder(config) / "ground.json"


BRING_UP = pytest.StashKey[BringUp]()


def progress_of(config: pytest.Config) -> Progress:
    """Progress that gets past pytest's capture."""
    capture = config.pluginmanager.getplugin("capturemanager")
    terminal = config.pluginmanager.getplugin("terminalreporter")

    def write(line: str) -> None:
        if capture is None or terminal is None:
            return
        with capture.global_and_fixture_disabled():
            terminal.ensure_newline()
            terminal.write_line(line)
            # Its own `flush` flushes what comes before the line's end alone, and who else writes
            # to the terminal would go on in this line.
            terminal.flush()

    return Progress(write)
