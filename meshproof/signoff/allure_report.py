"""Allure's HTML report of a run, made by Allure's own generator, with a history across runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from meshproof.engine.machine import this_machine
from meshproof.engine.packages import install_packages
from meshproof.errors import EnvironmentBroken, MeshproofError
from meshproof.paths import DATA, PROJECT, cache_dir, state_dir
from meshproof.process import run_logged
from meshproof.progress import Progress
from meshproof.suite.model import Expectation
from meshproof.suite.registry import sections, suites
from meshproof.supply.npm import ALLURE
from meshproof.supply.workshop import Workshop

#: What is in the reports folder.
RESULTS, REPORT, HISTORY = "allure-results", "allure-report", "allure-history.jsonl"
#: The label that carries an expectation's id; only scenarios have it.
EXPECTATION_LABEL = "expectation"
#: Runs; a month of nights. A run of all scenarios adds some 100 kB to the history.
HISTORY_LIMIT = 30
#: Seconds; a full run's report takes 3 on an idle machine.
GENERATE_TIMEOUT = 120.0
#: The generator puts a visitor counter into every page, and has no setting against it.
VISITOR_COUNTER = re.compile(r'<script async src="https?://[^"]*"></script>')


@dataclass(frozen=True)
class Generator:
    """Allure's generator: the Node that runs it, and its script."""

    node: str
    script: Path


def expectation_url(expectation: Expectation) -> str:
    """Return where an expectation can be read: its row in docs/expectations.md.

    A project that has no such document has it in its suite's file.
    ``MESHPROOF_SOURCE_URL`` says where the checkout's files are shown; without it they are
    those on this machine's disk. The last part lets a browser that can (WICG's text fragments)
    scroll to the row itself, and keeps the links of one section apart.
    """
    base = os.environ.get("MESHPROOF_SOURCE_URL") or PROJECT.as_uri()
    if not (PROJECT / "docs" / "expectations.md").is_file():
        file = next(one.file for one in suites() if expectation in one.expectations)
        return f"{base.rstrip('/')}/{file.relative_to(PROJECT).as_posix()}"
    heading = f"{sections()[expectation.section]} {expectation.section}".lower()
    anchor = re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")
    return f"{base.rstrip('/')}/docs/expectations.md#{anchor}:~:text={expectation.id}"


def cases(results: Path, *, label: str | None = None) -> int:
    """Count the test cases in a folder of Allure's results, as the generator counts them.

    Results of one test with the same parameters are one case, tried again. With ``label``, only
    cases that carry a label of this name count. What cannot be read as a result counts as none.
    """
    found = set()
    for result in _results(results):
        labels = {each.get("name") for each in _dicts(result.get("labels"))}
        if label is None or label in labels:
            parameters = sorted(
                f"{each.get('name')}:{each.get('value')}"
                for each in _dicts(result.get("parameters"))
                if not each.get("excluded")
            )
            test = result.get("testCaseId") or result.get("fullName")
            found.add((test, *parameters) if test else (None, result["uuid"]))
    return len(found)


def provide_generator(*, install: bool, progress: Progress) -> Generator:
    """Return the generator, fetched into the cache where it is not there yet.

    Raises ``EnvironmentBroken`` where it, or the Node or npm that it takes, cannot be had.
    """
    shop = Workshop(
        {ALLURE.name: ALLURE}, root=DATA, project=PROJECT, cache=cache_dir(), progress=progress
    )
    wanted = {"node": "nodejs"} | ({} if shop.has(ALLURE.name) else {"npm": "npm"})
    lacking = tuple(package for program, package in wanted.items() if not shutil.which(program))
    if lacking:
        install_packages(
            lacking,
            why="The Allure report",
            machine=this_machine(),
            allowed=install,
            progress=progress,
        )
    shop.provide(ALLURE.name)
    return Generator("node", shop.folder(ALLURE.name) / "node_modules" / "allure" / "cli.js")


def generate(
    results: Path, report: Path, history: Path, *, name: str, generator: Generator
) -> None:
    """Make a report of a folder of results, one file that needs no server, and add to the history.

    An earlier report in its place goes. A history that is not there yet is begun; of one that was
    cut off, what can be read is kept. Raises ``EnvironmentBroken`` where the generator fails or
    leaves a case out, with the old report and the history as they were, and ``OSError`` where a
    file cannot be written.
    """
    log = cache_dir() / "logs" / "allure-report.log"
    log.unlink(missing_ok=True)
    history.parent.mkdir(parents=True, exist_ok=True)
    with (
        FileLock(history.with_suffix(".lock")),
        tempfile.TemporaryDirectory(dir=history.parent) as folder,
    ):
        work = Path(folder)
        kept = work / "history.jsonl"
        kept.write_text("".join(f"{line}\n" for line in _runs(history)))
        page = work / "report" / "index.html"
        (work / "allurerc.json").write_text(json.dumps(_configuration(name, page.parent, kept)))
        # The folder's own name is a pattern, so what is above it must not be a part of it.
        where = ["--config", str(work / "allurerc.json"), "--cwd", str(results.parent.resolve())]
        run_logged(
            [generator.node, generator.script, "generate", *where, results.name],
            log=log,
            timeout=GENERATE_TIMEOUT,
        )
        if not page.is_file():
            raise EnvironmentBroken(f"Allure's generator made no page; its log is {log}.")
        counted, ran = _counted(page.parent), cases(results)
        if counted != ran:
            raise EnvironmentBroken(
                f"Allure's generator made a page of {counted} cases where {ran} are in "
                f"the results; its log is {log}."
            )
        page.write_text(VISITOR_COUNTER.sub("", page.read_text()))
        if report.exists():
            shutil.rmtree(report)
        shutil.move(page.parent, report)
        kept.replace(history)


def report_run(reports: Path, *, name: str, install: bool, progress: Progress) -> str:
    """Make the report of the run whose results are in a reports folder; return a sentence on it.

    The history is in the state folder, where the next run finds it; a copy is left in the reports.
    Raises nothing: no report is no reason for another verdict.
    """
    try:
        generator = provide_generator(install=install, progress=progress)
        history = state_dir() / HISTORY
        generate(reports / RESULTS, reports / REPORT, history, name=name, generator=generator)
        shutil.copyfile(history, reports / HISTORY)
    except MeshproofError as error:
        return f"No Allure report: {error.sentence}"
    except Exception as error:
        return f"No Allure report: {error}"
    return f"Allure report: {reports / REPORT / 'index.html'}"


def _configuration(name: str, output: Path, history: Path) -> dict[str, Any]:
    page = {
        "reportName": name,
        "reportLanguage": "en",
        "singleFile": True,
        "groupBy": ["epic", "feature"],
    }
    return {
        "name": name,
        "output": str(output),
        "historyPath": str(history),
        "historyLimit": HISTORY_LIMIT,
        "plugins": {"awesome": {"options": page}},
    }


def _counted(report: Path) -> int | None:
    """How many cases a report says that it has; None where it does not say."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        return int(json.loads((report / "summary.json").read_text())["stats"]["total"])
    return None


def _runs(history: Path) -> list[str]:
    """The lines of a history that can be read: one line that cannot would end the generator."""
    lines = history.read_text(errors="replace").splitlines() if history.exists() else []
    return [line for line in lines if isinstance(_json(line), dict)]


def _results(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob("*-result.json")):
        result = _json(file.read_text(errors="replace")) if file.is_file() else None
        if isinstance(result, dict) and isinstance(result.get("uuid"), str):
            yield result


def _json(text: str) -> Any:
    with suppress(ValueError):
        return json.loads(text)
    return None


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
