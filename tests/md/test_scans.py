"""Static scans: zero, minima and symmetry of interlayer energies; a pair crossing the cutoff."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import graphene

import camp
from camp.data.bilayers import STACKINGS, RigidBilayer, describe_bilayer, find_bilayers
from camp.data.readers import read_structures
from camp.errors import InputError
from camp.md.scans import dimer_scan, interlayer_scan
from tests.models.camp.test_network import make_potential

A = 2.46
CUTOFF = 5.0


class Corrugated:
    """E_int = w(d) + c(d) · (cos + cos + cos)(shift): minima and corrugation by hand.

    With s = 3, −1 and −3/2 for the sum of cosines of AA, SP and AB.
    """

    cutoff = 6.0
    monolayer = -8.0
    well, width, corrugation = 0.020, 0.4, 0.001  # eV, Å, eV

    def double(self):
        return self

    def require_energy(self, _user):
        pass

    def interlayer(self, distance, shift):
        s1, s2 = shift
        waves = sum(np.cos(2 * np.pi * k) for k in (s1, s2, s1 + s2))
        well = ((distance - 3.4) / self.width) ** 2 - 1
        return self.well * well + self.corrugation * waves * (1 - (distance - 3.4) / 2)

    def evaluate(self, structures):
        energies = []
        for atoms in structures:
            bilayer = describe_bilayer(atoms)
            extra = self.interlayer(bilayer.distance, bilayer.shift) if bilayer else 0.0
            energies.append(len(atoms) * (self.monolayer + extra))
        return SimpleNamespace(energies=np.array(energies))

    def minimum(self, waves):
        """Layer distance and energy of the parabola's minimum."""
        lowered = 0.5 * self.corrugation * waves
        x = lowered * self.width**2 / (2 * self.well)
        energy = self.well * ((x / self.width) ** 2 - 1) + self.corrugation * waves - lowered * x
        return 3.4 + x, energy


def bilayers(energy=lambda distance, shift: 0.0, a=A) -> list[RigidBilayer]:
    """AB, SP, AA and another shift at ten distances."""
    return [
        RigidBilayer(a, d, shift, energy(d, shift))
        for d in np.linspace(2.6, 5.3, 10)
        for shift in (*STACKINGS.values(), (0.1, 0.2))
    ]


@pytest.fixture(scope="module")
def potential():
    return make_potential(species=(6,), cutoff=CUTOFF)


@pytest.fixture(scope="module")
def scan(potential):
    references = [*bilayers(), *bilayers(a=2.5)[:3]]
    return interlayer_scan(potential, references, shifts=13, scale="quick", seed=1)


def test_the_result_is_json_with_the_labels(scan):
    assert json.loads(json.dumps(scan, allow_nan=False)) == scan
    assert (scan["scale"], scan["seed"]) == ("quick", 1)
    assert scan["lattice_constant_A"] == A


def test_no_interlayer_energy_beyond_the_cutoff(scan):
    distances = np.array(scan["curves"]["distance_A"])
    assert distances[0] == 2.5 and distances[-1] > 6.0
    for name in STACKINGS:
        curve = np.array(scan["curves"][name])
        assert np.abs(curve[distances > CUTOFF]).max() < 1e-9
        assert np.abs(curve[distances < 3.0]).min() > 1e-3


def test_energies_are_those_of_the_calculator(potential, scan):
    """Against layers as ASE builds them, evaluated one by one."""
    calculator = camp.Calculator(potential, dtype="float64")

    def energy(*layers: Atoms) -> float:
        atoms = layers[0].copy()
        for layer in layers[1:]:
            atoms += layer
        atoms.calc = calculator
        return atoms.get_potential_energy() / len(atoms)

    bottom = graphene(a=A, vacuum=10.0)
    k = scan["references"]["distance_A"].index(bilayers()[16].distance)
    for name, number in (("AB", 0), ("SP", 1), ("AA", 2)):
        top = bottom.copy()
        top.positions[:, 2] += scan["references"]["distance_A"][k]
        # ASE's vectors include 120°: AB is a third of the way along the long diagonal.
        shift = {"AB": (1 / 3, 2 / 3), "SP": (1 / 2, 0), "AA": (0, 0)}[name]
        top.positions += np.array(shift) @ bottom.cell.array[:2]
        expected = 1e3 * (energy(bottom, top) - energy(bottom))
        assert scan["references"]["stacking"][k + number] == name
        found = scan["references"]["model_interlayer_meV_per_atom"][k + number]
        assert found == pytest.approx(expected, abs=1e-6)


def test_the_surface_has_the_symmetry_of_the_crystal(scan):
    """Periodic; the same after a rotation by 60° and a reflection; lowest values from AB."""
    surface = np.array(scan["surface"]["model_meV_per_atom"])
    assert np.ptp(surface) > 1e-3
    n = len(surface) - 1
    scale = np.ptp(surface)
    for i, j in np.ndindex(n, n):
        for other in ((i + n, j), (j, i), (-j, i + j), (n - i, n - j)):
            same = surface[other[0] % n, other[1] % n]
            assert same == pytest.approx(surface[i, j], abs=1e-9 * scale)
    np.testing.assert_allclose(surface[-1], surface[0], atol=1e-9 * scale)
    # (1/3, 1/3) and (2/3, 2/3) are the two equal AB stackings, from which is counted.
    assert abs(surface[4, 4]) < 1e-9 * scale
    assert abs(surface[8, 8]) < 1e-9 * scale


def test_the_path_runs_over_the_surface(scan):
    """AB–SP is 1/√12 lattice constants long, SP–AA one half; ends are points of the surface."""
    path, surface = scan["path"], np.array(scan["surface"]["model_meV_per_atom"])
    lengths = A * np.array([0.0, 12**-0.5, 12**-0.5 + 0.5])
    assert path["stackings_position_A"] == pytest.approx(lengths)
    positions = np.array(path["position_A"])
    assert (np.diff(positions) > 0).all()
    energies = dict(zip(np.round(positions, 6), path["model_meV_per_atom"], strict=True))
    at = [energies[round(x, 6)] for x in lengths]
    assert at == pytest.approx([surface[4, 4], surface[0, 6], surface[0, 0]], abs=1e-8)


def test_a_perfect_model_with_another_zero_has_no_interlayer_error(potential, scan):
    """The references are the model's own energies, moved by 3 meV/atom."""
    own = scan["references"]["model_eV_per_atom"]
    references = [
        replace(bilayer, energy=energy + 0.003)
        for bilayer, energy in zip([*bilayers(), *bilayers(a=2.5)[:3]], own, strict=True)
    ]
    monolayer = scan["zero"]["model_eV_per_atom"] + 0.003
    for energy in (None, monolayer):
        result = interlayer_scan(
            potential, references, monolayer_energy=energy, distance=3.5, shifts=2
        )
        errors = result["mae"]
        assert errors["total_energy_meV_per_atom"] == pytest.approx(3.0)
        assert errors["total_energy_bilayers"] == 43
        assert errors["interlayer_meV_per_atom"] == pytest.approx(0.0, abs=1e-9)
        # The one that sets the zero is not counted, nor are those of another lattice constant.
        assert errors["interlayer_bilayers"] == (39 if energy is None else 40)
        assert result["zero"]["reference_eV_per_atom"] == pytest.approx(monolayer)
        assert result["references"]["reference_interlayer_meV_per_atom"][40:] == [None] * 3
        assert result["surface"]["mae_meV_per_atom"] == pytest.approx(0.0, abs=1e-9)
        assert len(result["surface"]["reference_shift"]) == 4
        assert sorted(result["path"]["reference_position_A"]) == pytest.approx(
            result["path"]["stackings_position_A"]
        )


def test_minima_and_differences_of_a_known_function():
    model = Corrugated()
    references = bilayers(lambda d, shift: -5.0 + 2 * model.interlayer(d, shift))
    result = interlayer_scan(model, references, monolayer_energy=-5.0, shifts=4)
    waves = {"AB": -1.5, "SP": -1.0, "AA": 3.0}
    minima = {name: model.minimum(value) for name, value in waves.items()}
    for name, (distance, energy) in minima.items():
        for side, factor in (("model", 1), ("reference", 2)):
            found = result["minima"][name][side]
            assert found["distance_A"] == pytest.approx(distance)
            assert found["interlayer_meV_per_atom"] == pytest.approx(1e3 * factor * energy)
    for name in ("SP", "AA"):
        own = result["differences"]["own_minimum"][f"{name}-AB"]
        expected = 1e3 * (minima[name][1] - minima["AB"][1])
        assert own["model_meV_per_atom"] == pytest.approx(expected)
        assert own["reference_meV_per_atom"] == pytest.approx(2 * expected)
        fixed = result["differences"]["fixed_distance"][f"{name}-AB"]
        assert fixed["model_meV_per_atom"] == pytest.approx(waves[name] - waves["AB"])
        # References are 0.3 Å apart and none is at 3.4 Å: too far to interpolate.
        assert fixed["reference_meV_per_atom"] is None
    assert result["surface"]["reference_shift"] == []
    assert result["surface"]["mae_meV_per_atom"] is None


def test_too_few_references_have_no_minimum():
    few = [b for b in bilayers() if b.stacking == "AA" or b.distance < 3.0]
    result = interlayer_scan(Corrugated(), few, shifts=2)
    assert result["minima"]["AB"]["reference"] is None
    own = result["differences"]["own_minimum"]["SP-AB"]
    assert own["reference_meV_per_atom"] is None and own["model_meV_per_atom"] > 0


def test_refusals(potential):
    with pytest.raises(InputError, match="no rigid bilayers"):
        interlayer_scan(potential, [])
    with pytest.raises(InputError, match="no energy; give labelled"):
        interlayer_scan(potential, [RigidBilayer(A, 3.4, (0.0, 0.0))])
    with pytest.raises(InputError, match=r"lattice constant 2\.6 Å"):
        interlayer_scan(potential, bilayers(), 2.6)
    with pytest.raises(InputError, match="does not know C; it was made for H, O"):
        interlayer_scan(make_potential(species=(1, 8)), bilayers())


def test_differences_of_the_published_references(shared_data):
    """DFT: AB at 3.433 Å; SP and AA 0.58 and 3.80 meV/atom above it, each at its own minimum."""
    folder = shared_data / "mirror" / "camp_run" / "dataset" / "graphene"
    references: list[RigidBilayer] = []
    for part in ("val", "test"):
        frames = read_structures(folder / f"bilayer_graphene_{part}.json")
        references += find_bilayers(frames).values()
    result = interlayer_scan(Corrugated(), references, shifts=2)
    assert result["lattice_constant_A"] == pytest.approx(2.465)
    assert result["minima"]["AB"]["reference"]["distance_A"] == pytest.approx(3.433, abs=3e-3)
    own = result["differences"]["own_minimum"]
    assert own["SP-AB"]["reference_meV_per_atom"] == pytest.approx(0.58, abs=0.01)
    assert own["AA-AB"]["reference_meV_per_atom"] == pytest.approx(3.80, abs=0.01)
    fixed = result["differences"]["fixed_distance"]
    # Energies of the table at 3.40 Å: SP −8.086903, AB −8.087591 eV/atom.
    assert fixed["SP-AB"]["reference_meV_per_atom"] == pytest.approx(0.688, abs=1e-3)
    assert result["mae"]["total_energy_bilayers"] == 216
    assert result["mae"]["interlayer_bilayers"] == 196


@pytest.mark.parametrize("convention", ["radial", "basis"])
def test_a_pair_at_the_cutoff(convention):
    potential = make_potential(envelope_on=convention).float()
    for layer in potential.model.layers:
        for bias in layer.atomic.radial.mlp.biases:
            torch.nn.init.normal_(bias)
    scan = dimer_scan(potential, "O", "H", points=60, scale="quick")
    assert json.loads(json.dumps(scan, allow_nan=False)) == scan
    smooth = convention == "radial"
    assert (scan["pair"], scan["cutoff_A"], scan["smooth_at_cutoff"]) == ("O-H", 4.0, smooth)
    distances, energies = np.array(scan["r_A"]), np.array(scan["energy_eV"])
    assert (np.diff(distances) > 0).all()
    assert distances[[0, -1]] == pytest.approx([3.2, 4.2])
    assert np.abs(energies[distances > 4.0]).max() < 1e-9
    inside = np.flatnonzero(distances < 4.0)[-1]
    assert distances[inside] == pytest.approx(4.0, rel=2e-9)
    assert scan["step_eV"] == pytest.approx(-energies[inside], abs=1e-9)
    # The potential of the caller keeps its precision.
    assert potential.dtype == torch.float32
    smooth = convention == "radial"
    assert scan["energy_continuous"] == smooth
    assert scan["first_derivative_continuous"] == smooth
    assert (abs(scan["step_eV"]) > 1e-3) != smooth


def test_energies_of_a_pair_are_relative_to_the_atoms():
    potential = make_potential()
    scan = dimer_scan(potential, "C", "O", points=20)
    pair = Atoms("CO", [[0, 0, 0], [0, scan["r_A"][0], 0]])
    alone = potential.evaluate([Atoms("C"), Atoms("O")]).energies.sum()
    expected = potential.evaluate(pair).energies[0] - alone
    assert scan["energy_eV"][0] == pytest.approx(expected, abs=1e-9)
    with pytest.raises(InputError, match="does not know Xe"):
        dimer_scan(potential, "C", "Xe")
    with pytest.raises(InputError, match="'Foo' is no chemical element"):
        dimer_scan(potential, "Foo", "C")
