"""The scenarios of `faults.feature`."""

from pytest_bdd import scenarios

scenarios("bookinfo/faults.feature")
