"""The two sides that tests here compare."""

from __future__ import annotations

import pytest

from crypto.group import Group, group_for
from crypto.parameters import STANDARD
from tests.interop.oracle import Load, load_electionguard


@pytest.fixture(scope="session")
def group() -> Group:
    """The standard group, in which both implementations work here."""
    return group_for(STANDARD)


@pytest.fixture(scope="session")
def electionguard() -> Load:
    """The oracle. Without it everything here is skipped, and pytest's summary says so."""
    load = load_electionguard()
    if load is None:
        pytest.skip("electionguard 1.4.0 IS NOT INSTALLED, so nothing is compared with it")
    return load
