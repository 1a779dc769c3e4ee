"""From a potential to a folder that LAMMPS runs: model, compiled code, an example input."""

import copy
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.data import atomic_masses, chemical_symbols, covalent_radii

from camp.errors import InputError
from camp.files import atomic_path, write_text
from camp.lammps.data_file import write_data
from camp.lammps.installation import Installation
from camp.potential.potential import Potential
from camp.runtime.exported import PRECISIONS, Exported, write_model
from camp.runtime.library import FLAGS, NATIVE, Source, build, compiler
from camp.settings.architectures import find_architecture

SOURCES = Path(__file__).parent
MODEL, LIBRARY, PLUGIN = "model.camp", "model.so", "campplugin.so"
EXAMPLE, EXAMPLE_DATA = "in.example", "example.data"
DTYPES = {name: dtype for dtype, name in PRECISIONS.items()}
# Messages name files as in the repository, not as on the machine at hand.
PLUGIN_FLAGS = ("-std=c++17", "-O2", "-fPIC", f"-fmacro-prefix-map={SOURCES.parents[1]}/=")
# Only what LAMMPS and a model look up may be seen: several models can be loaded at once.
HIDDEN = "-fvisibility=hidden"


@dataclass(frozen=True)
class Folder:
    """What was written."""

    path: Path
    elements: tuple[str, ...]  # as in pair_coeff
    kind: str


def export(
    potential: Potential,
    out: Path,
    installation: Installation,
    *,
    precision: str = "single",
    march: str = NATIVE,
    structure: Atoms | None = None,
) -> Folder:
    """Write all that LAMMPS needs to run a potential.

    :param precision: "single" or "double", of the network; energies are summed in double precision
        in either.
    :param march: the processors that it will run on, as GCC names them.
    :param structure: of the example; without it a lattice of the model's elements.
    :raises InputError: a potential without energies or without compiled code, no compiler, what
        the compiler refuses, or a structure that does not suit the model.
    """
    exported = exported_network(potential, DTYPES[precision])
    if compiler() is None:
        raise InputError("no C++ compiler found; install g++ or clang++")
    library = build("lammps", exported.complete_sources(), (*FLAGS, HIDDEN, f"-march={march}"))
    plugin = build_plugin(installation)
    elements = tuple(chemical_symbols[number] for number in potential.species)
    for built, name in ((library, LIBRARY), (plugin, PLUGIN)):
        with atomic_path(out / name) as temporary:
            shutil.copy(built, temporary)
    write_model(
        out / MODEL,
        exported,
        elements,
        {
            "cutoff": torch.tensor([potential.cutoff], dtype=torch.float64),
            "energy_scale": potential.energy_scale.expand(len(elements)),
            "energy_shift": potential.energy_shift,
            "masses": torch.from_numpy(atomic_masses[list(potential.species)]),
        },
    )
    write_example(out, elements, structure)
    return Folder(out, elements, exported.kind)


def exported_network(potential: Potential, dtype: torch.dtype) -> Exported:
    """The network of a potential for programs without Python.

    :raises InputError: it predicts no energy, or its architecture has no compiled code.
    """
    record = find_architecture(potential.architecture)
    potential.require_energy("LAMMPS")
    if record.exported is None:
        raise InputError(f"{record.label} has no compiled code that LAMMPS could use")
    # Converting a module would convert the caller's.
    network = copy.deepcopy(potential.model).to(dtype)
    return record.resolve(record.exported)(network, dtype)


def build_plugin(installation: Installation) -> Path:
    """The pair style compiled for a LAMMPS.

    :raises InputError: the compiler is missing or fails.
    """
    definitions: dict[str, int | str] = {
        "LAMMPS_DATE": f'"{installation.date}"',
        "LAMMPS_NUMBER": installation.number,
        f"LAMMPS_{installation.integers}": "",
    }
    sources = [Source(SOURCES / name, definitions) for name in ("pair_camp.cpp", "plugin.cpp")]
    include = [f"-I{folder}" for folder in installation.headers]
    return build("campplugin", sources, (*PLUGIN_FLAGS, HIDDEN, *include))


def write_example(out: Path, elements: tuple[str, ...], structure: Atoms | None) -> None:
    """Write an input and its data.

    :raises InputError: see :func:`camp.lammps.data_file.write_data`.
    """
    atoms = lattice(elements) if structure is None else structure
    box = write_data(out / EXAMPLE_DATA, atoms, elements)
    # Nothing is known of a lattice; its atoms are held back.
    integrator = "nvt temp 300 300 0.1" if structure is not None else "nve/limit 0.02"
    lines = [
        "# In this folder:  mpirun -n 2 lmp -in in.example",
        *([] if structure else ["# A lattice that only shows that everything works."]),
        "units           metal",
        "atom_style      atomic",
        "newton          on",
        f"boundary        {box.boundary}",
        "plugin          load ./campplugin.so",
        f"read_data       {EXAMPLE_DATA}",
        "pair_style      camp",
        "# The element of each atom type, in their order.",
        f"pair_coeff      * * {MODEL} {' '.join(elements)}",
        "neighbor        1.0 bin",
        "timestep        0.0005",
        "velocity        all create 300 4711",
        f"fix             1 all {integrator}",
        "thermo          10",
        "thermo_style    custom step temp pe etotal press cpu",
        "run             50",
    ]
    write_text(out / EXAMPLE, "\n".join(lines) + "\n")


def lattice(elements: tuple[str, ...]) -> Atoms:
    """64 atoms of these elements in turn, so far apart that none overlap."""
    numbers = [chemical_symbols.index(element) for element in elements]
    spacing = 2.5 * max(covalent_radii[number] for number in numbers)
    places = spacing * np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    places = places + np.random.default_rng(0).uniform(-0.1, 0.1, places.shape)
    return Atoms(
        [numbers[k % len(numbers)] for k in range(64)], places, cell=[4 * spacing] * 3, pbc=True
    )
