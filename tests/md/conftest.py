"""Fixtures of the tests of molecular dynamics."""

import gzip
import io

import pytest
from ase import Atoms
from ase.io import read


@pytest.fixture(scope="session")
def lips_frames(shared_data) -> list[Atoms]:
    """Ab initio dynamics of LiPS at 520 K in the order of time, with "time_fs" in info."""
    text = gzip.decompress((shared_data / "lips" / "lips-1194.xyz.gz").read_bytes()).decode()
    # Unpacked first: ASE seeks in the file, which is slow in a compressed one.
    return read(io.StringIO(text), ":", format="extxyz")
