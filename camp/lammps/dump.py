"""Trajectories that LAMMPS wrote: ``dump NAME all custom N FILE id element xu yu zu``."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.data import atomic_masses, atomic_numbers

from camp.errors import InputError, reason
from camp.md.trajectory import Trajectory

RECIPE = (
    "write it with: dump NAME all custom N FILE id element xu yu zu, and dump_modify NAME element "
    "with the elements of the types"
)


@dataclass(frozen=True)
class _Frame:
    step: int
    numbers: np.ndarray  # in the order of LAMMPS' ids
    positions: np.ndarray  # Å, unwrapped
    cell: np.ndarray  # (3, 3) Å
    pbc: np.ndarray


def read_dump(path: Path, timestep: float) -> Trajectory:
    """A dump as a trajectory without energies. A last frame that was not written to its end is left
    out, and so are steps that a continued run wrote once more.

    :param timestep: fs.
    :raises InputError: missing or foreign file, columns that are missing, frames of different atoms
        or cells, or unevenly spaced ones.
    """
    frames: list[_Frame] = []
    try:
        with path.open(encoding="utf-8") as file:
            for frame in _frames(file):
                if not frames or frame.step > frames[-1].step:
                    frames.append(frame)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    # A damaged file can be wrong in any way.
    except (KeyError, ValueError, IndexError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}, frame {len(frames)}: not a dump that can be read ({reason(error)}); {RECIPE}"
        ) from None
    if not frames:
        raise InputError(f"{path}: no whole frame of a dump; {RECIPE}")
    first = frames[0]
    for number, frame in enumerate(frames):
        if not np.array_equal(frame.numbers, first.numbers):
            raise InputError(f"{path}, frame {number}: other atoms than in the first")
        # LAMMPS widens the box where it is not periodic.
        if not np.allclose(frame.cell[first.pbc], first.cell[first.pbc], rtol=0, atol=1e-6):
            raise InputError(f"{path}, frame {number}: another cell than in the first; use NVT")
    steps = np.array([frame.step for frame in frames])
    if len(set(np.diff(steps))) > 1:
        raise InputError(f"{path}: frames are not evenly spaced in time; write every N steps")
    unknown = np.full(len(frames), np.nan)
    return Trajectory(
        numbers=first.numbers,
        masses=atomic_masses[first.numbers],
        cell=first.cell,
        pbc=first.pbc,
        times=timestep * (steps - steps[0]),
        positions=np.array([frame.positions for frame in frames]),
        potential_energies=unknown,
        kinetic_energies=unknown,
        conserved_energies=unknown,
    )


def _frames(file: Iterator[str]) -> Iterator[_Frame]:
    """The whole frames of a file that is open."""
    lines = (line for line in file if line.endswith("\n"))
    for line in lines:
        if line.strip() != "ITEM: TIMESTEP":
            raise ValueError(f"{line.strip()[:40]!r} where a frame should begin")
        try:
            step = int(next(lines))
            _expect(next(lines), "ITEM: NUMBER OF ATOMS")
            atoms = int(next(lines))
            bounds = _expect(next(lines), "ITEM: BOX BOUNDS")
            box = [[float(word) for word in next(lines).split()] for _ in range(3)]
            columns = _expect(next(lines), "ITEM: ATOMS")
            rows = [next(lines) for _ in range(atoms)]
        except StopIteration:
            return
        yield _frame(step, bounds, box, columns, [row.split() for row in rows])


def _expect(line: str, item: str) -> list[str]:
    """What stands behind the name of an item."""
    if not line.startswith(item):
        raise ValueError(f"{line.strip()[:40]!r} instead of {item!r}")
    return line[len(item) :].split()


def _frame(
    step: int, bounds: list[str], box: list[list[float]], columns: list[str], rows: list[list[str]]
) -> _Frame:
    places = {name: columns.index(name) for name in ("id", "element", "xu", "yu", "zu")}
    order = np.argsort([int(row[places["id"]]) for row in rows])
    numbers = [atomic_numbers[rows[k][places["element"]]] for k in order]
    positions = [[float(rows[k][places[axis]]) for axis in ("xu", "yu", "zu")] for k in order]
    # Of a leaning cell LAMMPS writes the bounds of the box around it.
    xy, xz, yz = (row[2] for row in box) if bounds[0] == "xy" else (0.0, 0.0, 0.0)
    widths = [row[1] - row[0] for row in box]
    widths[0] -= max(0.0, xy, xz, xy + xz) - min(0.0, xy, xz, xy + xz)
    widths[1] -= max(0.0, yz) - min(0.0, yz)
    cell = np.array([[widths[0], 0, 0], [xy, widths[1], 0], [xz, yz, widths[2]]])
    pbc = np.array([word == "pp" for word in bounds[-3:]])
    if not np.isfinite(positions).all() or not np.isfinite(cell).all():
        raise ValueError("numbers that are not finite")
    return _Frame(step, np.array(numbers), np.array(positions), cell, pbc)
