"""Fixtures that several test modules share."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
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


@pytest.fixture(scope="session")
def shared_carnet() -> Path:
    """Reference tensors and CarNet networks; the test is skipped where they are not."""
    return _shared_folder("carnet/oracle")


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A disk of 2 MiB; the test is skipped where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount a small disk, which takes root: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill_disk(folder: Path) -> Path:
    """Leave no space on the disk of a folder; returns the file to delete again."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast
