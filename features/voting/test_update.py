"""The scenarios of `update.feature`."""

from pytest_bdd import scenarios

scenarios("voting/update.feature")
