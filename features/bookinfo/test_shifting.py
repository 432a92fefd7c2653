"""The scenarios of `shifting.feature`."""

from pytest_bdd import scenarios

scenarios("bookinfo/shifting.feature")
