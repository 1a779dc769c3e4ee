"""Speed records are complete and consistent; what is measured is what the record says."""

import json
from dataclasses import dataclass

import pytest
from ase.build import bulk, molecule
from ase.io import write
from ase.neighborlist import neighbor_list

from camp.cli import main
from camp.errors import InputError
from camp.md.benchmark import benchmark
from camp.md.states import Sample, State
from camp.md.timing import FEWEST_ROUNDS, WARM_UP, measure
from camp.models.camp.settings import CampSettings
from camp.potential.potential import Potential
from camp.potential.saving import model_hash, save
from tests.models.cace.test_network import make_potential as make_cace

SHORT = 0.02  # s


@pytest.fixture
def potential():
    settings = CampSettings(cutoff=4, channels=3, max_rank=2, layers=2, average_neighbours=10)
    return Potential(settings, species=(1, 8), energy_scale=0.1).eval()


@pytest.fixture
def ice():
    """Oxygen on a lattice with a hydrogen atom at each: periodic, and smaller than two cutoffs."""
    atoms = bulk("O", "sc", a=2.8).repeat((2, 2, 2))
    hydrogen = atoms.copy()
    hydrogen.numbers[:] = 1
    hydrogen.positions += [0.9, 0.4, 0.1]
    return atoms + hydrogen


@pytest.mark.parametrize("accelerate", [True, False])
def test_record_is_complete_and_consistent(potential, ice, accelerate):
    record = benchmark(potential, ice, seconds=SHORT, accelerate=accelerate)
    # an independent neighbour list
    assert record["edges"] == len(neighbor_list("i", ice, 4.0))
    assert (record["atoms"], record["structure"]) == (16, "H8O8")
    assert record["seconds_per_energy_forces"] > 0
    assert record["md_steps_per_second"] > 0
    for name, (low, high) in record["spread"].items():
        assert low <= record[name] <= high
    assert record["repeats"]["energy_forces"] >= FEWEST_ROUNDS
    assert record["repeats"]["md_steps"] >= FEWEST_ROUNDS
    # more than the interpreter alone, less than this machine has
    assert 10 * 2**20 < record["peak_memory_bytes"] < 2**45
    assert record["device"].startswith("cpu: ")
    assert (record["dtype"], record["engine"], record["replicas"]) == ("float32", "ase", 1)
    assert (record["ensemble"], record["timestep_fs"]) == ("nve", 1.0)
    assert record["threads"] >= 1
    assert record["accelerated"] is accelerate
    assert record["compiled"] <= accelerate
    assert record["contestant"] == ("CAMP" if accelerate else "CAMP, plain")
    assert record["model_sha256"] == model_hash(potential)
    assert {"torch", "camp"} <= record["versions"].keys()
    json.dumps(record, allow_nan=False)


def test_contestant_is_named_after_its_architecture(ice):
    potential = make_cace(species=(1, 8), cutoff=3.0)
    record = benchmark(potential, ice, seconds=SHORT, accelerate=False)
    assert record["contestant"] == "CACE, plain"


def test_replicas_share_a_batch_and_rates_are_of_one_structure(potential):
    pytest.importorskip("torch_sim")
    record = benchmark(
        potential, molecule("H2O"), seconds=SHORT, engine="torchsim", replicas=3, accelerate=False
    )
    assert (record["atoms"], record["edges"], record["replicas"]) == (3, 6, 3)
    assert record["md_steps_per_second"] > 0


def test_benchmark_leaves_the_potential_as_it_is(potential, ice):
    def state():
        return model_hash(potential), [p.requires_grad for p in potential.parameters()]

    before = state()
    benchmark(potential, ice, seconds=SHORT)
    assert state() == before


@dataclass
class Counter:
    """An engine that counts steps, and explodes after so many."""

    lasts: int
    steps: int = 0

    def advance(self, steps):
        self.steps += steps

    def samples(self):
        failed = "too hot" if self.steps > self.lasts else ""
        return [Sample(State(self.steps, molecule("H2O")), 0.0, 0.0, 0.0, failed)]


def test_steps_of_all_replicas_count():
    calls, engine = [], Counter(lasts=10**9)
    record = measure(lambda: calls.append(1), lambda: engine, seconds=1e-9, structures=4)
    assert record["repeats"]["energy_forces"] == len(calls) - WARM_UP == FEWEST_ROUNDS
    assert record["repeats"]["md_steps"] == engine.steps - WARM_UP == FEWEST_ROUNDS
    assert record["md_note"] == ""


def test_explosion_is_no_speed():
    record = measure(lambda: None, lambda: Counter(lasts=0), seconds=1e-9)
    assert record["md_steps_per_second"] is None
    assert record["spread"]["md_steps_per_second"] is None
    assert "too hot" in record["md_note"]
    assert record["seconds_per_energy_forces"] > 0


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"engine": "lammps"}, "no engine 'lammps'; choose one of ase, torchsim"),
        ({"replicas": 2}, "several replicas at once need the engine torchsim"),
    ],
)
def test_impossible_arguments(potential, ice, arguments, message):
    with pytest.raises(InputError, match=message):
        benchmark(potential, ice, **arguments)


def test_verb(tmp_path, potential, ice, capsys):
    model, structure, out = (tmp_path / name for name in ("m.safetensors", "s.xyz", "r.json"))
    save(potential, model)
    # of several frames the first
    write(structure, [ice, ice[:1]])
    options = [str(model), str(structure), "--seconds", str(SHORT), "--json", str(out)]
    assert main(["benchmark", *options, "--plain-too", "--dtype", "float64"]) == 0
    record = json.loads(out.read_text())
    assert (record["atoms"], record["dtype"]) == (16, "float64")
    assert record["plain"]["accelerated"] is False
    said = capsys.readouterr().out
    assert "CAMP: H8O8, 16 atoms" in said and "CAMP, plain: H8O8" in said


def test_verb_refuses_bad_input_with_one_line(tmp_path, potential, capsys):
    model, structure = tmp_path / "m.safetensors", tmp_path / "s.xyz"
    save(potential, model)
    write(structure, molecule("CH4"))
    cases = {
        "s.xyz: the model does not know C": [],
        "--device nonsense cannot be used": ["--device", "nonsense"],
        "none.xyz": ["none.xyz"],
    }
    for message, extra in cases.items():
        given = tmp_path / extra[0] if extra and extra[0].endswith("xyz") else structure
        options = extra if extra and extra[0].startswith("--") else []
        assert main(["benchmark", str(model), str(given), *options]) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    for option in (["--seconds", "0"], ["--seconds", "nan"], ["--replicas", "0"]):
        with pytest.raises(SystemExit) as stop:
            main(["benchmark", str(model), str(structure), *option])
        assert stop.value.code == 2
