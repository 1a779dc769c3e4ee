"""Fixtures that several test modules share."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


def _shared_folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"needs the real {name} files beside the repository (../shared/{name})")
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data and published files; the test is skipped where they are not."""
    return _shared_folder("data")


@pytest.fixture(scope="session")
def shared_oracle() -> Path:
    """Reference energies, forces and stresses; the test is skipped where they are not."""
    return _shared_folder("oracle")
