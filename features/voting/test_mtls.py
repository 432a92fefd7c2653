"""The scenarios of `mtls.feature`."""

from pytest_bdd import scenarios

scenarios("voting/mtls.feature")
