"""The scenarios of `finalize.feature`."""

from pytest_bdd import scenarios

scenarios("voting/finalize.feature")
