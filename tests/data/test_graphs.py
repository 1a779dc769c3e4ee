"""Packed, cached graphs against graphs built directly, and statistics against hand-made ones."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from torch.utils.data import DataLoader

from camp.data import graphs
from camp.data.graphs import GraphDataset, collate, content_hash, normalisation
from camp.errors import InputError
from camp.graph import batch_graphs, build_graph
from camp.targets import TARGETS
from tests.conftest import fill_disk

CUTOFF = 4.5


def labelled(atoms: Atoms, seed: int, offset=0.0) -> Atoms:
    chance = np.random.default_rng(seed)
    atoms = atoms.copy()
    atoms.positions += 0.1 * chance.standard_normal((len(atoms), 3)) + offset
    forces = chance.standard_normal((len(atoms), 3))
    atoms.calc = SinglePointCalculator(atoms, energy=chance.normal(-1e4), forces=forces)
    return atoms


@pytest.fixture
def structures() -> list[Atoms]:
    salt = bulk("NaCl", "rocksalt", a=5.6)
    unwrapped = labelled(salt, 3, offset=[[0, 0, 0], 37 * salt.cell[0] - 5 * salt.cell[2]])
    return [
        labelled(bulk("Si"), 0),
        labelled(molecule("CH3CH2OH"), 1),
        labelled(fcc111("Al", (2, 2, 2)), 2),
        unwrapped,
        labelled(Atoms("He"), 4),
    ]


def assert_equal_graphs(ours, theirs):
    for name, mine, other in zip(
        ours.__dataclass_fields__, ours.tensors(), theirs.tensors(), strict=True
    ):
        assert mine.dtype == other.dtype, name
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-11, msg=name)


def test_packed_graphs_are_those_built_directly(structures):
    dataset = GraphDataset(structures, CUTOFF)
    assert len(dataset) == 5
    for k, atoms in enumerate(structures):
        item = dataset[k]
        assert_equal_graphs(item.graph, build_graph(atoms, CUTOFF))
        assert item.labels["energy"].dtype == item.labels["forces"].dtype == torch.float64
        assert item.labels["energy"].item() == atoms.get_potential_energy()
        assert item.labels["forces"].tolist() == atoms.get_forces().tolist()
    assert_equal_graphs(dataset[-1].graph, dataset[4].graph)
    with pytest.raises(IndexError):
        dataset[5]


def test_a_loader_gives_batches(structures):
    loader = DataLoader(GraphDataset(structures, CUTOFF), batch_size=3, collate_fn=collate)
    first, second = list(loader)
    assert first.sizes.tolist() == [2, 9, 8]
    assert second.sizes.tolist() == [2, 1]
    expected = batch_graphs([build_graph(atoms, CUTOFF) for atoms in structures[:3]])
    assert_equal_graphs(first.graph, expected)
    assert first.labels["energy"].tolist() == [a.get_potential_energy() for a in structures[:3]]
    assert first.labels["energy"].dtype == torch.float64
    forces = np.concatenate([atoms.get_forces() for atoms in structures[:3]])
    np.testing.assert_array_equal(first.labels["forces"].numpy(), forces)
    assert first.to("cpu").graph.number_of_systems == 3


def test_cache_is_used_and_goes_by_content_and_cutoff(tmp_path, structures, monkeypatch):
    built = []
    original = graphs.build_graph
    monkeypatch.setattr(graphs, "build_graph", lambda a, c: built.append(a) or original(a, c))

    def number_built(atoms, cutoff) -> int:
        before = len(built)
        dataset = GraphDataset(atoms, cutoff, cache=tmp_path)
        for k, frame in enumerate(atoms):
            assert_equal_graphs(dataset[k].graph, build_graph(frame, cutoff))
            assert dataset[k].labels["forces"].tolist() == frame.get_forces().tolist()
        return len(built) - before

    assert number_built(structures, CUTOFF) == 5
    assert number_built(copies(structures), CUTOFF) == 0
    assert number_built(structures, CUTOFF + 0.1) == 5
    assert number_built(structures[::-1], CUTOFF) == 5
    moved = labelled(structures[0], 9)
    assert number_built([moved, *structures[1:]], CUTOFF) == 5
    assert len(list(tmp_path.iterdir())) == 4


def copies(structures: list[Atoms]) -> list[Atoms]:
    """The same content in new objects."""
    new = [atoms.copy() for atoms in structures]
    for copy, atoms in zip(new, structures, strict=True):
        copy.calc = SinglePointCalculator(copy, **atoms.calc.results)
    return new


def test_damaged_cache_is_made_anew(tmp_path, structures):
    expected = GraphDataset(structures, CUTOFF, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-20] ^= 1
    for damaged in (b"", b"text", whole[:-5], whole[: len(whole) // 2], bytes(flipped)):
        # Another file, since the one that is there is in use.
        path.unlink()
        path.write_bytes(damaged)
        again = GraphDataset(structures, CUTOFF, cache=tmp_path)
        for k in range(5):
            assert_equal_graphs(again[k].graph, expected[k].graph)
        assert path.read_bytes() == whole


def test_every_part_of_the_content_counts(structures):
    one = structures[0]
    hashes = {content_hash([one])}
    for change in ("positions", "cell", "pbc", "numbers", "energy", "forces"):
        other = one.copy()
        results = {key: np.array(value) for key, value in one.calc.results.items()}
        if change == "pbc":
            other.pbc = [True, True, False]
        elif change == "cell":
            other.cell[0, 0] += 1e-9
        elif change == "positions":
            other.positions[1, 2] += 1e-9
        elif change == "numbers":
            other.numbers[1] = 6
        else:
            results[change] = results[change] + 1e-9
        other.calc = SinglePointCalculator(other, **results)
        hashes.add(content_hash([other]))
    assert len(hashes) == 7


def test_statistics_of_a_hand_made_set():
    pair = Atoms("HO", [(0, 0, 0), (0, 0, 1)])
    pair.calc = SinglePointCalculator(pair, energy=-4.0, forces=[(0, 0, 3), (0, 0, -3)])
    chain = Atoms("O4", [(0, 0, k) for k in range(4)])
    chain.calc = SinglePointCalculator(chain, energy=-2.0, forces=np.zeros((4, 3)))
    statistics = GraphDataset([pair, chain], cutoff=1.5).statistics()
    assert statistics.mean_energy_per_atom == (-4 / 2 - 2 / 4) / 2
    assert statistics.rms_force == pytest.approx(np.sqrt(2 * 9 / 18), rel=1e-15)
    # Each atom of the pair has one neighbour, the chain has 1 + 2 + 2 + 1.
    assert statistics.average_neighbours == 8 / 6
    assert statistics.species == (1, 8)


def test_bad_structures_are_named(structures):
    bare = structures[1].copy()
    with pytest.raises(InputError, match="frame 1: no energy and no forces"):
        GraphDataset([structures[0], bare], CUTOFF)
    flat = labelled(Atoms("H", cell=[1, 0, 0], pbc=True), 0)
    with pytest.raises(InputError, match="frame 2: the cell has no volume"):
        GraphDataset([*structures[:2], flat], CUTOFF)
    silicon = bulk("Si")
    away = labelled(silicon, 0, offset=[[0, 0, 0], 40_000 * silicon.cell[0]])
    with pytest.raises(InputError, match="frame 0: atoms lie too many cells apart"):
        GraphDataset([away], CUTOFF)
    with pytest.raises(InputError, match="at least one structure"):
        GraphDataset([], CUTOFF)
    with pytest.raises(InputError, match="cutoff must be"):
        GraphDataset(structures, 0)


def test_labels_of_any_target_are_packed_and_batched(structures):
    """A tensor of each structure and one of each atom; what a frame lacks is NaN."""
    polarizability, shielding = TARGETS["polarizability"], TARGETS["shielding"]
    rng = np.random.default_rng(5)
    for number, atoms in enumerate(structures):
        tensor = rng.normal(size=(3, 3))
        atoms.info["alpha"] = tensor + tensor.T
        if number:
            atoms.set_array("shielding", rng.normal(size=(len(atoms), 9)))
    dataset = GraphDataset(structures, CUTOFF, targets=(polarizability, shielding))
    batch = dataset.batch([0, 2])
    assert batch.labels["polarizability"].shape == (2, 3, 3)
    np.testing.assert_array_equal(
        batch.labels["polarizability"][1].numpy(), structures[2].info["alpha"]
    )
    count = len(structures[0])
    assert batch.labels["shielding"][:count].isnan().all()
    np.testing.assert_array_equal(
        batch.labels["shielding"][count:].reshape(-1, 9).numpy(), structures[2].arrays["shielding"]
    )


def test_normalisation_of_tensors_by_hand():
    """Of rank 0 mean and standard deviation of trace / 3; of rank 2 the root mean square norm of
    the traceless part.
    """
    first, second = np.diag([1.0, 2.0, 3.0]), np.diag([4.0, 4.0, 4.0])
    found = normalisation(torch.tensor(np.array([first, second])), TARGETS["polarizability"])
    assert found.shift == (pytest.approx(3.0),)
    assert found.scale[0] == pytest.approx(1.0)
    assert found.scale[2] == pytest.approx(1.0)


def test_full_disk_is_one_message(small_disk, structures):
    fill_disk(small_disk)
    with pytest.raises(InputError, match=r"cannot write .*No space left"):
        GraphDataset(structures, CUTOFF, cache=small_disk)
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]
