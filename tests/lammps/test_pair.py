"""pair_style camp gives what the potential gives, on any number of ranks.

The reference is plain torch with the same tables of radial functions, and its derivatives with
respect to the vectors of edges; the pair style runs compiled code.
"""

import re
from functools import partial

import ase.build
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.data import chemical_symbols
from ase.io import read

import camp
from camp.graph.edges import Edges
from camp.lammps.data_file import write_data
from camp.potential.accelerated import AcceleratedPotential
from tests.lammps.running import read_dump
from tests.models.cace.runtime.test_tabulated import make_potential as make_cace
from tests.models.camp.test_network import make_potential
from tests.models.carnet.potentials import make_potential as make_carnet
from tests.physics import random_structure

KINDS = {
    "one layer, rank 3": partial(make_potential, layers=1, max_rank=3, channels=5, species=(1, 8)),
    "rank 0, one species": partial(make_potential, layers=2, max_rank=0, channels=8, species=(29,)),
    "rank 1": partial(make_potential, layers=3, max_rank=1, channels=9),
    "rank 2": partial(make_potential, layers=2, max_rank=2, channels=17, species=(1, 8)),
    "three layers, rank 3": partial(make_potential, layers=3, max_rank=3, channels=4),
    "CACE, no messages": partial(
        make_cace, message_passes=0, species=(29,), readout_hidden=[], max_l=1
    ),
    "CACE, one y": partial(
        make_cace, shared_channels=True, shared_degrees=True, memory=True, max_l=1
    ),
    "CACE, A": partial(
        make_cace, message_ar=True, message_bchi=False, readout_linear=False, max_l=1
    ),
    "CACE, memory": partial(make_cace, memory=True, message_bchi=False, max_l=0),
    "CACE, all messages": partial(
        make_cace, memory=True, message_ar=True, message_hidden=[5], message_passes=2, max_l=2
    ),
    "CarNet, three layers": partial(make_carnet, layers=3, paths="lite", channels=5),
    "CarNet, one layer": partial(make_carnet, layers=1, repulsion="none", max_rank=1),
    "CarNet, maps": partial(
        make_carnet,
        **dict(input_map=True, message_map=True, moment_map="factorized", residual="none"),
        **dict(max_rank=1, repulsion="published"),
    ),
    "CarNet, scalars and dipoles": partial(
        make_carnet, "energy", "dipole", max_rank=1, max_degree=2, residual="plain"
    ),
}
QUANTITIES = ("energy", "atomic_energies", "forces", "virial", "atomic_virials")


def structures(potential) -> dict[str, Atoms]:
    """Cells straight and leaning, smaller than the cutoff, left-handed, outside of which atoms are,
    with so much vacuum that ranks have no atoms; molecules without a cell.
    """
    box = random_structure(potential, atoms=30, cell=9.0)
    box.set_cell(np.diag(np.diag(box.cell.array)), scale_atoms=True)
    leaning = random_structure(potential, seed=1, atoms=24, cell=8.0)
    small = random_structure(potential, seed=2, atoms=3, cell=3.0)
    slab = random_structure(potential, seed=3, atoms=20, cell=7.0)
    slab.set_cell(np.diag([7.0, 7.0, 60.0]))
    open_slab = slab.copy()
    open_slab.pbc = (True, True, False)
    outside = leaning.copy()
    outside.positions += np.arange(72).reshape(24, 3) // 7 @ leaning.cell.array
    left_handed = leaning.copy()
    left_handed.set_cell(leaning.cell.array[[1, 0, 2]])
    number = potential.species[0]
    hexagonal = ase.build.bulk(chemical_symbols[number], "hcp", a=2.6, c=4.1) * (2, 2, 1)
    molecule = random_structure(potential, seed=4, atoms=8, periodic=False)
    molecule.cell = np.zeros((3, 3))
    return {
        "box": box,
        "leaning": leaning,
        "smaller than the cutoff": small,
        "slab": slab,
        "slab, not periodic": open_slab,
        "outside of its cell": outside,
        "left-handed": left_handed,
        "hexagonal": hexagonal,
        "molecule": molecule,
        "lone atom": Atoms([number], [[0.0, 0.0, 0.0]]),
    }


def reference(potential, atoms) -> dict[str, np.ndarray]:
    """By the names of a :class:`tests.lammps.running.Result`; an atom has half of each r ⊗ F."""
    graph = potential.graph(atoms)
    vectors = graph.edge_vectors().requires_grad_(True)
    species = potential.species_index[graph.numbers]
    edges = Edges(species, vectors, graph.neighbours, graph.mask)
    energies = potential.atomic_values(edges)["energy"]
    (gradient,) = torch.autograd.grad(energies.sum(), vectors)
    gradient = torch.where(graph.mask[..., None], gradient, 0.0)
    ends = graph.neighbours.flatten()
    forces = gradient.sum(1).index_add(0, ends, -gradient.flatten(0, 1))
    outer = -0.5 * (vectors[..., :, None] * gradient[..., None, :]).detach()
    halves = outer.sum(1).index_add(0, ends, outer.flatten(0, 1))
    halves = 0.5 * (halves + halves.mT)
    found = (energies.sum(), energies, forces, halves.sum(0), halves)
    return {name: value.detach().numpy() for name, value in zip(QUANTITIES, found, strict=True)}


@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_potential(kind, runner, exported):
    """Within 10⁻¹⁰ in float64 on one rank and on two; and on two as on one within 10⁻¹²."""
    plain = KINDS[kind]()
    potential = AcceleratedPotential(plain, compiled=False)
    model = exported(re.sub(r"\W+", "-", kind), plain)
    elements = [chemical_symbols[number] for number in plain.species]
    given = structures(plain)
    of_one, of_two = (
        runner.evaluate(model, list(given.values()), elements, ranks) for ranks in (1, 2)
    )
    for (name, atoms), one, two in zip(given.items(), of_one, of_two, strict=True):
        expected = reference(potential, atoms)
        scale = max(1.0, *(np.abs(value).max() for value in expected.values()))
        for quantity in QUANTITIES:
            what = f"{quantity} of {name}"
            first, second = getattr(one, quantity), getattr(two, quantity)
            np.testing.assert_allclose(
                first, expected[quantity], rtol=0, atol=1e-10 * scale, err_msg=what
            )
            np.testing.assert_allclose(second, first, rtol=0, atol=1e-12 * scale, err_msg=what)


def test_four_ranks_and_tiled_domains(runner, exported):
    """However the box is cut among ranks."""
    plain = KINDS["rank 2"]()
    model = exported("rank-2", plain)
    atoms = structures(plain)["leaning"]
    (one,) = runner.evaluate(model, [atoms], ["H", "O"], 1)
    (four,) = runner.evaluate(model, [atoms], ["H", "O"], 4)
    np.testing.assert_allclose(four.forces, one.forces, rtol=0, atol=1e-12)
    text = (runner.folder / "in.test").read_text()
    tiled = text.replace("compute energy", "comm_style tiled\nbalance 1.0 rcb\ncompute energy")
    runner.run(tiled, 4)
    box = write_data(runner.folder / "0.data", atoms, ["H", "O"])
    forces = read_dump(runner.folder / "0.dump")[:, 1:4] @ box.rotation.T
    np.testing.assert_allclose(forces, one.forces, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["three layers, rank 3", "CACE, one y", "CarNet, maps"])
def test_single_precision(kind, runner, exported):
    """Forces within 10⁻⁵ of the largest; energies are summed in double precision."""
    plain = KINDS[kind]()
    model = exported(re.sub(r"\W+", "-", kind), plain, "single")
    atoms = structures(plain)["leaning"]
    expected = reference(AcceleratedPotential(plain, compiled=False), atoms)
    for ranks in (1, 2):
        (found,) = runner.evaluate(model, [atoms], ["H", "C", "O"], ranks)
        largest = np.abs(expected["forces"]).max()
        np.testing.assert_allclose(found.forces, expected["forces"], atol=1e-5 * largest)
        np.testing.assert_allclose(found.energy, expected["energy"], rtol=1e-6)


def test_published_weights(shared_data, runner, exported):
    """Of CACE for water, in single precision: forces within 10⁻⁵ eV/Å of compiled code of ours."""
    mirror = shared_data / "mirror"
    weights = mirror / "cacefit/fit-water/best_model.pth"
    if not weights.is_file():
        pytest.skip("needs the published weights (../shared/data/mirror/cacefit)")
    plain = camp.load(weights)
    atoms = read(mirror / "camp_run/md/water/liquid-64.xyz")
    expected = AcceleratedPotential(plain.float()).evaluate(atoms)
    model = exported("published", plain, "single")
    for ranks in (1, 2):
        (found,) = runner.evaluate(model, [atoms], ["H", "O"], ranks)
        np.testing.assert_allclose(found.forces, expected.forces[0], rtol=0, atol=1e-5)
        np.testing.assert_allclose(found.energy, expected.energies[0], rtol=1e-7)
