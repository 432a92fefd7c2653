"""The pytest plugin: fixtures, one module for each thing provided, reports and the vocabulary.

pytest finds it by its entry point, wherever Meshproof is installed, and it does nothing outside of
a project (`meshproof/paths.py`). PYTEST_DONT_REWRITE: nothing is asserted in this file.
"""

import sys

from meshproof.paths import IN_PROJECT, PROJECT
from meshproof.plugin.found import of_suites

# Each after what it imports: pytest rewrites the assertions of a module as it imports it.
MODULES = (
    "meshproof.plugin.options",
    "meshproof.plugin.run_folder",
    "meshproof.plugin.scenarios",
    "meshproof.plugin.quick",
    "meshproof.plugin.suites",
    "meshproof.plugin.outcomes",
    "meshproof.plugin.lane_events",
    "meshproof.plugin.run_progress",
    "meshproof.plugin.reporting",
    "meshproof.plugin.allure_results",
    "meshproof.plugin.environment",
    "meshproof.plugin.witness",
    "meshproof.plugin.evidence",
    "meshproof.plugin.tutorial",
    "meshproof.plugin.sampling",
    "meshproof.plugin.breakages",
    "meshproof.plugin.breakage_runs",
    "meshproof.plugin.preflight",
    "meshproof.plugin.lanes",
    "meshproof.plugin.interruption",
    "meshproof.plugin.ingress",
    "meshproof.plugin.browser",
    "meshproof.plugin.traces",
    "meshproof.steps.stages",
    "meshproof.steps.commands",
    "meshproof.steps.injection",
    "meshproof.steps.workloads",
    "meshproof.steps.traffic",
    "meshproof.steps.throughout",
    "meshproof.steps.answers",
    "meshproof.steps.browser",
    "meshproof.steps.callers",
    "meshproof.steps.analysis",
    "meshproof.steps.mtls",
    "meshproof.steps.transitions",
    "meshproof.steps.residue",
    "meshproof.steps.strength",
    "meshproof.steps.calls",
    "meshproof.steps.outside",
    "meshproof.steps.certificates",
    "meshproof.steps.authorization",
    "meshproof.steps.routes",
)

if IN_PROJECT and str(PROJECT) not in sys.path:  # pytest's `pythonpath` comes after its plugins
    sys.path.insert(0, str(PROJECT))

# What a suite has of its own is found, so that another one changes nothing here.
pytest_plugins = [*MODULES, *of_suites(PROJECT / "steps")] if IN_PROJECT else []
