"""Dynamics with pair_style camp: trajectories, restarts, constant energy, cells that move."""

import contextlib
import os
import random
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from ase import Atoms

from camp.lammps.data_file import write_data
from tests.lammps.running import header, read_dump, thermo
from tests.physics import random_structure

ELEMENTS = ["H", "O"]
# Forces of a fresh network are weak; velocities do most, and atoms pass many cutoffs.
MOVE = """velocity all create 300 4711 loop all
timestep 0.0005
fix move all nve
thermo 20
thermo_style custom step temp pe etotal press
thermo_modify format float %.17g
"""
DUMP = "write_dump all custom {} id x y z vx vy vz modify sort id format float %.17g\n"


def straight(potential) -> Atoms:
    """60 atoms in a box; in a leaning one LAMMPS' own conversions round on a restart."""
    atoms = random_structure(potential, atoms=60, cell=11.0)
    atoms.set_cell(np.diag(np.diag(atoms.cell.array)), scale_atoms=True)
    return atoms


@pytest.fixture
def start(runner, model, potential) -> str:
    """An input that reads 60 atoms."""
    write_data(runner.folder / "data", straight(potential), ELEMENTS)
    return header(model, "data", ELEMENTS)


def test_two_ranks_follow_the_trajectory_of_one(runner, start):
    """Atoms change ranks and lists are made anew on the way."""
    ends, energies = [], []
    for ranks in (1, 2):
        said = runner.run(start + MOVE + "run 200\n" + DUMP.format("end"), ranks)
        ends.append(read_dump(runner.folder / "end"))
        energies.append(thermo(said)[:, 3])
    assert np.abs(ends[0][:, 4:]).max() > 1
    np.testing.assert_allclose(ends[1], ends[0], rtol=0, atol=1e-9)
    np.testing.assert_allclose(energies[1], energies[0], rtol=0, atol=1e-10)


def test_energy_stays(runner, start):
    """A model smooth at the cutoff: the error is of second order in the timestep."""
    swings = []
    for steps, timestep in ((200, "0.0005"), (400, "0.00025")):
        text = start + MOVE.replace("0.0005", timestep).replace("thermo 20", "thermo 10")
        energies = thermo(runner.run(f"{text}run {steps}\n", 2))[:, 3]
        swings.append(np.ptp(energies))
    assert swings[1] < 0.3 * swings[0]
    assert swings[1] < 1e-3


@pytest.mark.parametrize("ranks", [1, 2])
def test_restart_changes_nothing(runner, start, model, ranks):
    """Not one bit: a run continued from a restart file ends as the one that wrote it, if both write
    restart files at the same steps, because LAMMPS makes its lists anew there.
    """
    going_on = "restart 50 at.*\nrun 100 upto\n"
    runner.run(start + MOVE + going_on + DUMP.format("whole"), ranks)
    runner.run(continued(model, "at.50") + going_on + DUMP.format("continued"), ranks)
    whole, again = (read_dump(runner.folder / name) for name in ("whole", "continued"))
    np.testing.assert_array_equal(again, whole)


def continued(model, restart: str) -> str:
    """The input that goes on from a restart file, which knows no pair style."""
    return f"""plugin load {model.parent}/campplugin.so
read_restart {restart}
pair_style camp
pair_coeff * * {model} {" ".join(ELEMENTS)}
neighbor 1.0 bin
timestep 0.0005
fix move all nve
"""


def rounds() -> list[tuple[int, int]]:
    """Seed and number of kills of each round, CAMP_INTERRUPTIONS (6 unless it is set) in all: on a
    busy machine, where two ranks wait for each other, twenty stay within the time limit of a test.
    """
    number = int(os.environ.get("CAMP_INTERRUPTIONS", "6"))
    parts = np.array_split(np.arange(number), number // 20 + 1)
    return [(seed, len(part)) for seed, part in enumerate(parts)]


@pytest.mark.parametrize(("seed", "kills"), rounds())
def test_random_kills(runner, start, model, seed, kills):
    """Killed at random moments, also while a restart file is being written. Continued from the
    newest whole file, each run ends exactly as an undisturbed one.
    """
    going_on = "restart 10 a.restart b.restart\nrun 200 upto\n"
    began = time.monotonic()
    runner.run(start + MOVE + going_on + DUMP.format("end"), 2)
    longest = time.monotonic() - began
    expected = read_dump(runner.folder / "end")
    left, chance = kills, random.Random(seed)
    while left:
        for file in [*runner.folder.glob("*.restart"), runner.folder / "end"]:
            file.unlink(missing_ok=True)
        said = ""
        while "Total wall time" not in said:
            newest = newest_restart(runner.folder)
            now = continued(model, newest.name) if newest else start + MOVE
            began, process = time.monotonic(), runner.start(now + going_on + DUMP.format("end"), 2)
            killed = False
            try:
                said = process.communicate(timeout=chance.uniform(0, longest) if left else 120)[0]
                # Quicker than the first, when the machine was busy: others are killed in time.
                longest = longest if newest else min(longest, time.monotonic() - began)
            except subprocess.TimeoutExpired:
                assert left, "a run takes two minutes"
                killed = interrupt(process, chance)
                said = process.communicate(timeout=120)[0]
            left -= killed
            if newest and not killed and "Total wall time" not in said:
                # It was being written when its run was killed; the one before it is whole.
                assert "ERROR" in said, said[-2000:]
                newest.unlink()
        np.testing.assert_array_equal(read_dump(runner.folder / "end"), expected)


def newest_restart(folder: Path) -> Path | None:
    files = sorted(folder.glob("*.restart"), key=lambda file: file.stat().st_mtime_ns)
    return files[-1] if files else None


def interrupt(process, chance: random.Random) -> bool:
    """SIGTERM of mpirun or SIGKILL of one of its processes, then SIGKILL of all that are left, as
    schedulers do; false where the run had ended.
    """
    try:
        mpirun = psutil.Process(process.pid)
        below = mpirun.children(recursive=True)
        if chance.random() < 0.5 or not below:
            mpirun.terminate()
        else:
            chance.choice(below).kill()
        time.sleep(0.05)
        for one in [mpirun, *mpirun.children(recursive=True), *below]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
    except psutil.NoSuchProcess:
        return False
    return process.wait() != 0


def test_cell_that_moves(runner, model, potential):
    """Constant pressure in all six components: the same on two ranks as on one."""
    write_data(runner.folder / "data", random_structure(potential, atoms=60, cell=11.0), ELEMENTS)
    start = header(model, "data", ELEMENTS)
    npt = MOVE.replace("nve", "npt temp 300 300 0.1 tri 0 0 1.0")
    npt = npt.replace("temp pe etotal press", "pe press lx ly lz xy xz yz")
    one, two = (thermo(runner.run(f"{start}{npt}run 60\n", ranks)) for ranks in (1, 2))
    assert np.ptp(one[:, 3:], axis=0).min() > 1e-4
    np.testing.assert_allclose(two, one, rtol=1e-8, atol=1e-8)


def test_minimize(runner, start, potential):
    """Goes downhill, and the forces where it ends are those of the potential there."""
    finish = "thermo_style custom step pe\nthermo_modify format float %.17g\n"
    columns = "id type x y z fx fy fz modify sort id format float %.17g"
    end = f"write_dump all custom end {columns}\n"
    energies = thermo(runner.run(f"{start}{finish}minimize 0 1e-6 50 500\n{end}", 2))[:, 1]
    assert energies[-1] < energies[0] - 0.1
    found = read_dump(runner.folder / "end")
    numbers = np.array([1, 8])[found[:, 1].astype(int) - 1]
    atoms = Atoms(numbers, found[:, 2:5], cell=straight(potential).cell, pbc=True)
    expected = potential.evaluate(atoms)
    np.testing.assert_allclose(found[:, 5:], expected.forces[0], atol=1e-6)
    np.testing.assert_allclose(energies[-1], expected.energies[0], rtol=1e-7)
