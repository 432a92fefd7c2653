"""The scenarios of `always.feature`."""

from pytest_bdd import scenarios

scenarios("voting/always.feature")
