"""Measures what Meshproof costs: `python -m benchmarks`, or `tox run -e bench`."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from benchmarks.bring_up import measure_bring_up
from benchmarks.figures import Bench, Figure, bench, compare, read, write
from benchmarks.page import page
from benchmarks.sampling import measure_sampling
from benchmarks.stages import measure_stages
from benchmarks.suite import measure_breakages, measure_suite
from meshproof.environment import bring_up
from meshproof.environment.environment import Environment
from meshproof.environment.options import read_options
from meshproof.errors import MeshproofError
from meshproof.progress import Progress
from meshproof.signoff.reports_folder import mark, may_write

#: The parts, in the order in which they run.
PARTS = ("bring-up", "stages", "sampling", "suite", "breakages")
#: In the folder of a run's own reports.
REPORTS = Path("reports/bench")


@click.command()
@click.option(
    "--only", type=click.Choice(PARTS), multiple=True, help="a part to measure; several times"
)
@click.option(
    "--compare", "earlier", type=click.Path(path_type=Path), help="the bench.json of an earlier run"
)
@click.option(
    "--reports", type=click.Path(path_type=Path), default=REPORTS, show_default=True,
    help="the folder that bench.json and bench.html are written to",
)  # fmt: skip
@click.option("--cluster-name", default="meshproof", show_default=True, help="the cluster to use")
def main(only: tuple[str, ...], earlier: Path | None, reports: Path, cluster_name: str) -> None:
    """Measure each thing beside what it is made of, in one run."""
    progress = Progress()
    if reports == REPORTS and may_write(reports.parent):
        mark(reports.parent)  # a run that finds nothing else in it is to know it for its own
    try:
        before = read(earlier) if earlier else None
        figures: list[Figure] = []
        for part in only or PARTS:
            figures += _measured(part, reports, cluster_name, progress)
        found = bench(figures, shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]))
        write(found, reports / "bench.json")
        changes = compare(before, found) if before else []
        (reports / "bench.html").write_text(page(found, changes, before))
    except MeshproofError as error:
        click.echo(str(error), err=True)
        sys.exit(int(error.exit_code))
    _tell(found, reports)


def _measured(part: str, reports: Path, cluster: str, progress: Progress) -> Iterable[Figure]:
    with tempfile.TemporaryDirectory(prefix="meshproof-bench-") as made:
        if part == "bring-up":
            return list(measure_bring_up(progress))
        if part == "suite":
            return list(measure_suite(reports, progress, cluster=cluster))
        if part == "breakages":
            return list(measure_breakages(reports, progress, cluster=cluster))
        place = bring_up.up(read_options({"cluster_name": cluster}), progress)
        measure: Callable[[Environment, Path, Progress], Iterable[Figure]] = (
            measure_stages if part == "stages" else measure_sampling
        )
        return list(measure(place, Path(made), progress))


def _tell(found: Bench, reports: Path) -> None:
    for figure in found.figures:
        beside = f", {figure.ratio:.2f} of {figure.bare_is}" if figure.ratio is not None else ""
        click.echo(f"{figure.part}: {figure.name}: {figure.ours:.1f} {figure.unit}{beside}")
    click.echo(f"{reports / 'bench.json'}\n{reports / 'bench.html'}")


if __name__ == "__main__":
    main()
