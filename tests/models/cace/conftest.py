"""Fixtures of the tests of CACE."""

from pathlib import Path

import pytest

from tests.conftest import SHARED


@pytest.fixture(scope="session")
def oracle() -> Path:
    """Results of the published program; the test is skipped where they are not."""
    folder = SHARED / "cace" / "oracle"
    if not folder.is_dir():
        pytest.skip("needs the reference results beside the repository (../shared/cace/oracle)")
    return folder
