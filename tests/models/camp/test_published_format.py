"""A checkpoint in the published format gives what the paper's equations say of its numbers.

The equations are written out here once more, on full tensors in NumPy, from the names and numbers
of the file alone: nothing of the package takes part in what is expected.
"""

from itertools import product

import numpy as np
import pytest
import torch
from ase import Atoms

import camp
from tests.literal_camp import hyper_paths

CHANNELS, MAX_RANK, LAYERS, DEGREE, CUTOFF, NEIGHBOURS = 2, 2, 2, 3, 4.0, 12.5
SPECIES = [8, 18]
LETTERS = "abcdefgh"


def atomic_paths(feature_rank):
    """(v, v₁): by SI section 1 h_{v₁} is contracted with D_{v₂} as a whole, so v = v₂ − v₁."""
    every = product(range(MAX_RANK + 1), range(feature_rank + 1), range(MAX_RANK + 1))
    return [(v, v1) for v, v1, v2 in every if v1 <= v2 and v == v2 - v1]


def random_file():
    rng = np.random.default_rng(7)
    shapes = {
        "atom_embedding.linear.weight": (CHANNELS, len(SPECIES)),
        "atom_embedding.linear.bias": (CHANNELS,),
        "readout.out_layers.0.weight": (1, CHANNELS),
        "readout.out_layers.0.bias": (1,),
        "readout.out_layers.1.layers.0.weight": (CHANNELS, CHANNELS),
        "readout.out_layers.1.layers.0.bias": (CHANNELS,),
        "readout.out_layers.1.layers.2.weight": (1, CHANNELS),
        "readout.out_layers.1.layers.2.bias": (1,),
    }
    square = (CHANNELS, CHANNELS)
    for t in range(LAYERS):
        layer, in_rank = f"layers.{t}.", 0 if t == 0 else MAX_RANK
        out_rank = MAX_RANK if t < LAYERS - 1 else 0
        shapes[f"{layer}atom_moment.radial.c"] = (2, 2, CHANNELS, DEGREE + 1)
        for v in range(in_rank + 1):
            shapes[f"{layer}mlp_mix_atom_feats.{v}.weight"] = square
        paths = atomic_paths(in_rank)
        for v, v1 in paths:
            for k in (0, 2):
                mlp = f"{layer}atom_moment.radial_mlp.{v}_{v1}_{v + v1}.layers.{k}."
                shapes |= {f"{mlp}weight": square, f"{mlp}bias": (CHANNELS,)}
        for v in range(MAX_RANK + 1):
            shapes[f"{layer}atom_moment.linear_channel.{v}.weight"] = square
            if (count := sum(rank == v for rank, _ in paths)) > 1:
                shapes[f"{layer}atom_moment.linear_path.{v}.weight"] = (count, CHANNELS)
        for v in range(out_rank + 1):
            shapes[f"{layer}linear_channel_hyper.{v}.weight"] = square
            if (count := len(hyper_paths(MAX_RANK, v))) > 1:
                shapes[f"{layer}hyper_moment.linear_path.{v}.weight"] = (count, CHANNELS)
            if t:
                shapes[f"{layer}linear_channel_feats.{v}.weight"] = square
    # Numbers of single precision, as in the published files.
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def silu(x):
    return x / (1 + np.exp(-x))


def contract(low, high):
    """All indices of ``low`` (u, …) with the first ones of ``high`` (u, …)."""
    inner, whole = LETTERS[: low.ndim - 1], LETTERS[: high.ndim - 1]
    return np.einsum(f"u{inner},u{whole}->u{whole[len(inner) :]}", low, high)


def polyadic(unit, rank):
    result = np.ones(())
    for _ in range(rank):
        result = np.multiply.outer(result, unit)
    return result


def mixed(matrix, tensor):
    return np.tensordot(matrix, tensor, axes=(1, 0))


def literal_energy(file, atoms, scale, shift):
    """Eqs. 1–11 atom by atom and path by path."""
    file = {name: values.astype(np.float64) for name, values in file.items()}
    species = [SPECIES.index(z) for z in atoms.numbers]
    embedding = file["atom_embedding.linear.weight"].T + file["atom_embedding.linear.bias"]
    features = [[embedding[z]] for z in species]
    energies = np.zeros(len(atoms))
    for t in range(LAYERS):
        layer, last = f"layers.{t}.", t == LAYERS - 1
        features = [
            [mixed(file[f"{layer}mlp_mix_atom_feats.{v}.weight"], h) for v, h in enumerate(own)]
            for own in features
        ]
        new = []
        for i, own in enumerate(features):
            moments = _moments(file, layer, features, atoms.positions, species, i)
            message = []
            for v in range(1 if last else MAX_RANK + 1):
                paths = hyper_paths(MAX_RANK, v)
                weights = file.get(
                    f"{layer}hyper_moment.linear_path.{v}.weight", np.ones((1, CHANNELS))
                )
                total = 0.0
                for weight, path in zip(weights, paths, strict=True):
                    value = moments[path[-1]]
                    for rank in path[:-1]:
                        value = contract(moments[rank], value)
                    total = total + weight.reshape(-1, *[1] * v) * value
                total = mixed(file[f"{layer}linear_channel_hyper.{v}.weight"], total)
                if t:
                    total = total + mixed(file[f"{layer}linear_channel_feats.{v}.weight"], own[v])
                message.append(total)
            new.append(message)
            out = f"readout.out_layers.{t}."
            hidden = message[0]
            if last:
                hidden = silu(file[f"{out}layers.0.weight"] @ hidden + file[f"{out}layers.0.bias"])
                out += "layers.2."
            energies[i] += (file[f"{out}weight"] @ hidden + file[f"{out}bias"])[0]
        features = new
    return float((scale * energies + shift).sum())


def _moments(file, layer, features, positions, species, i):
    paths = atomic_paths(len(features[0]) - 1)
    sums = {v: [] for v in range(MAX_RANK + 1)}
    for v, v1 in paths:
        total = np.zeros((CHANNELS, *[3] * v))
        for j in range(len(positions)):
            r = np.linalg.norm(positions[j] - positions[i])
            if j == i or r >= CUTOFF:
                continue
            x = r / CUTOFF
            basis = np.cos(np.arange(DEGREE + 1) * np.arccos(x))
            basis *= 1 - 28 * x**6 + 48 * x**7 - 21 * x**8
            radial = file[f"{layer}atom_moment.radial.c"][species[i], species[j]] @ basis
            mlp = f"{layer}atom_moment.radial_mlp.{v}_{v1}_{v + v1}.layers."
            radial = silu(file[f"{mlp}0.weight"] @ radial + file[f"{mlp}0.bias"])
            radial = file[f"{mlp}2.weight"] @ radial + file[f"{mlp}2.bias"]
            directions = polyadic((positions[j] - positions[i]) / r, v + v1)
            directions = np.broadcast_to(directions, (CHANNELS, *directions.shape))
            edge = contract(features[j][v1], directions)
            total += radial.reshape(-1, *[1] * v) * edge
        # The authors' code divides by a square root in single precision.
        sums[v].append(total / float(np.sqrt(np.float32(NEIGHBOURS))))
    moments = []
    for v, of_paths in sums.items():
        name = f"{layer}atom_moment.linear_path.{v}.weight"
        weights = file.get(name, np.ones((1, CHANNELS)))
        parts = zip(weights, of_paths, strict=True)
        total = sum(weight.reshape(-1, *[1] * v) * value for weight, value in parts)
        moments.append(mixed(file[f"{layer}atom_moment.linear_channel.{v}.weight"], total))
    return moments


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    content = random_file()
    model = {
        "max_u": CHANNELS - 1,
        "max_v": MAX_RANK,
        "num_layers": LAYERS,
        "max_chebyshev_degree": DEGREE,
        "radial_mlp_hidden_layers": [CHANNELS],
        "output_mlp_hidden_layers": [CHANNELS],
        "num_average_neigh": torch.tensor(NEIGHBOURS),
        "r_cut": CUTOFF,
        "atomic_energy_scale": torch.tensor(0.5),
        "atomic_energy_shift": torch.tensor(-1.25),
    }
    settings = {"model": model, "data": {"atomic_number": SPECIES}}
    path = tmp_path_factory.mktemp("published") / "checkpoint.ckpt"
    state = {f"ema.ema_model.{name}": torch.from_numpy(v) for name, v in content.items()}
    torch.save({"hyper_parameters": {"other_hparams": settings}, "state_dict": state}, path)
    return content, path


def test_energy_and_forces_are_those_of_the_equations(file):
    content, path = file
    places = [[0, 0, 0], [1.9, 0.3, -0.2], [0.4, 2.1, 0.6], [-1.2, 0.9, 2.0], [2.5, 2.4, 1.1]]
    atoms = Atoms("OArOOAr", places)
    result = camp.load(path).double().evaluate(atoms)
    expected = literal_energy(content, atoms, 0.5, -1.25)
    assert result.energies[0] == pytest.approx(expected, rel=1e-12)
    step = 1e-4
    for atom, axis in ((0, 0), (2, 1), (4, 2)):
        energies = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[atom, axis] += sign * step
            energies.append(literal_energy(content, moved, 0.5, -1.25))
        numerical = -(energies[0] - energies[1]) / (2 * step)
        assert result.forces[0][atom, axis] == pytest.approx(numerical, rel=1e-6, abs=1e-6)
