"""Fixtures of the tests of jobs."""

import os

import pytest

from tests.cluster.small_workflow import PAUSING


@pytest.fixture
def pausing(monkeypatch) -> None:
    """Each training stops once in its middle."""
    monkeypatch.setenv("PYTHONPATH", str(PAUSING), prepend=os.pathsep)
