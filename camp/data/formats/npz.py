"""MD17 and rMD17: arrays of numpy, energies in kcal/mol, forces in kcal/mol/Å."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms

from camp.data.formats.frames import FrameReader, labelled
from camp.errors import InputError, reason

# Times the size of a file; numbers of simulations hardly shrink when they are packed.
LARGEST_EXPANSION = 100

NPZ_KEYS = (
    {"energies": "E", "forces": "F", "positions": "R", "numbers": "z"},  # MD17
    {
        "energies": "energies",
        "forces": "forces",
        "positions": "coords",
        "numbers": "nuclear_charges",
    },  # rMD17
)


def npz_frames(path: Path, kcal_per_mol: float) -> Iterator[FrameReader]:
    """The frames of a file, converted when they are read.

    :param kcal_per_mol: eV; noted in ``info``.
    :raises InputError: damaged or foreign file, arrays that do not belong together.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            unpacked = sum(item.file_size for item in archive.zip.infolist())
            if unpacked > LARGEST_EXPANSION * path.stat().st_size:
                raise ValueError(f"unpacks to {unpacked:,} bytes")
            keys = next((k for k in NPZ_KEYS if set(k.values()) <= set(archive.files)), None)
            arrays = {} if keys is None else {name: archive[key] for name, key in keys.items()}
            found = archive.files
    # Foreign bytes make zipfile, zlib and the header parser raise nearly anything.
    except Exception as error:
        raise InputError(
            f"{path}: damaged or not an npz file of plain arrays ({reason(error)})"
        ) from None
    if keys is None:
        raise InputError(
            f"{path}: neither MD17 (keys E, F, R, z) nor rMD17 (keys nuclear_charges, coords, "
            f"energies, forces); it has {found}"
        )
    shapes = {name: array.shape for name, array in arrays.items()}
    energies, numbers = arrays["energies"].reshape(-1), arrays["numbers"]
    expected = (len(energies), numbers.size, 3)
    if (
        any(array.dtype.kind not in "fiu" for array in arrays.values())
        or numbers.ndim != 1
        or not np.array_equal(numbers, np.rint(numbers))
        or arrays["positions"].shape != expected
        or arrays["forces"].shape != expected
    ):
        raise InputError(f"{path}: shapes or types do not belong together: {shapes}")

    def frame(k: int) -> Atoms:
        atoms = Atoms(
            numbers=numbers,
            positions=arrays["positions"][k],
            info={"kcal_per_mol": kcal_per_mol},
        )
        forces = arrays["forces"][k].astype(float) * kcal_per_mol
        return labelled(atoms, float(energies[k]) * kcal_per_mol, forces, None)

    for k in range(len(energies)):
        yield partial(frame, k)
