"""Generated data: one small set for each class of material of the paper, with GFN-xTB labels.

GFN-xTB (doi:10.1021/acs.jctc.7b00118, doi:10.1021/acs.jctc.8b01176; package tblite) is a cheap
electronic-structure method. Its energies and forces are smooth, conservative and deterministic,
which is what a small reproduction needs; they are not the DFT labels of the paper.
"""

from itertools import islice

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from tqdm import tqdm

from camp.data.generate import graphene, lips, molecules, water
from camp.data.generate.xtb import LabelError, Sampler
from camp.errors import InputError

MATERIALS: dict[str, tuple[str, Sampler]] = {
    "water": ("GFN1-xTB", water.sample),
    "lips": ("GFN1-xTB", lips.sample),
    "graphene": ("GFN1-xTB", graphene.sample),
}
KINDS = (*(f"molecule:{name}" for name in molecules.BUILT_IN), *MATERIALS)


def generate(kind: str, frames: int, seed: int, *, progress: bool = False) -> list[Atoms]:
    """Structures with GFN-xTB energies (eV) and forces (eV/Å); molecules also with ``dipole`` (e·Å)
    and ``polarizability`` (Å³) in ``info``.

    The same kind and seed give the same frames to the last bit on one machine with one thread
    (``OMP_NUM_THREADS=1``, to be set by the caller), and the first n frames of a longer set are
    the set of n frames.

    :param kind: one of :data:`KINDS`, or ``molecule:NAME`` for any closed-shell molecule of
        :func:`ase.build.molecule`.
    :param progress: show a progress bar.
    :return: frames with a :class:`~ase.calculators.singlepoint.SinglePointCalculator` and
        ``info`` entries ``source``, ``kind`` and ``seed``.
    :raises InputError: unknown kind, no frames asked for, negative seed, tblite is not
        installed, or a structure whose label cannot be trusted.
    """
    if frames < 1:
        raise InputError(f"{kind}: cannot generate {frames} frames; ask for at least one")
    if seed < 0:
        raise InputError(f"{kind}: the seed {seed} is negative; choose 0 or more")
    method, sample = _find(kind)
    generated: list[Atoms] = []
    try:
        stream = islice(sample(np.random.default_rng(seed), method), frames)
        for atoms, energy, forces in tqdm(stream, kind, frames, disable=not progress, unit="frame"):
            atoms.info |= {"source": f"generated ({method})", "kind": kind, "seed": seed}
            atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
            generated.append(atoms)
    except LabelError as error:
        raise InputError(
            f"{kind}, seed {seed}, frame {len(generated)}: {error}; choose another seed"
        ) from error
    return generated


def _find(kind: str) -> tuple[str, Sampler]:
    """Method and sampler of a kind."""
    if kind in MATERIALS:
        return MATERIALS[kind]
    prefix, _, name = kind.partition(":")
    start = molecules.find(name) if prefix == "molecule" else None
    if start is None:
        raise InputError(
            f"{kind}: unknown kind of generated data; choose one of {', '.join(KINDS)}, or "
            "molecule:NAME with a closed-shell molecule of ase.build.molecule, such as CH3COCH3 "
            "(ase.collections.g2.names has them all)"
        )
    return "GFN2-xTB", molecules.sampler(start)
