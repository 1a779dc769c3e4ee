"""TorchSim model: many systems in one batch, on CPU or GPU.

TorchSim (https://github.com/TorchSim/torch-sim) is optional:
``pip install camp-repro[torchsim]``.
"""

import copy
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols
from torch import Tensor

from camp.errors import InputError
from camp.graph import AtomicGraph, neighbour_list
from camp.graph.from_pairs import graph_from_pairs, half_of_pairs
from camp.graph.neighbours import COINCIDENCE_DISTANCE, CoincidingAtomsError
from camp.graph.skin import SKIN
from camp.potential.accelerated import accelerated
from camp.potential.calculator import DTYPES
from camp.potential.derivatives import Results
from camp.potential.prediction import Predictor


class MissingTorchSimError(InputError, ImportError):
    """TorchSim is not installed."""


try:
    from torch_sim.models.interface import ModelInterface
    from torch_sim.neighbors import torch_nl_linked_cell, torch_nl_n2
except ImportError as error:
    raise MissingTorchSimError(
        f"TorchSim cannot be imported ({error}); pip install camp-repro[torchsim]"
    ) from None

# Atoms of the largest system of a batch up to which comparing all pairs beats linked cells on GPU.
ALL_PAIRS_ATOMS = 500

Pairs = tuple[Tensor, Tensor, Tensor]


class SystemInputError(InputError):
    """One system of a batch cannot be evaluated; ``system`` is its index."""

    def __init__(self, system: int, reason: str):
        super().__init__(f"system {system}: {reason}")
        self.system = system
        self.reason = reason


class TorchSimModel(ModelInterface):
    """A potential as a TorchSim model: energies, forces and stresses of a batch.

    Energies are summed in float64 and, like forces and stresses, returned in the dtype of the
    state's positions. Positions may lie outside the cell. Systems without a cell have stress NaN.

    Accelerated, a neighbour list with a skin is kept on the device, until an atom has moved by
    half the skin or anything but positions changes. On a GPU a call with a list that still serves
    makes the host wait once, for the one number that says so.

    :param model: a potential or an ensemble, as from :func:`camp.load`, or an accelerated one.
    :param device: "cpu", "cuda", … or a torch device.
    :param dtype: precision of the network, "float32", "float64" or the torch dtype.
    :param accelerate: as for :class:`camp.Calculator`.
    :param compiled: see :class:`camp.potential.accelerated.AcceleratedPotential`.
    :raises ValueError: another dtype.
    """

    def __init__(
        self,
        model: Predictor,
        device: str | torch.device = "cpu",
        dtype: str | torch.dtype = "float32",
        accelerate: bool = True,
        compiled: bool = True,
    ):
        super().__init__()
        precision = DTYPES.get(dtype) if isinstance(dtype, str) else dtype
        if precision is None or precision not in DTYPES.values():
            raise ValueError(f"dtype is {dtype!r}; choose one of {', '.join(DTYPES)}")
        self._device = torch.device(device)
        self._dtype = precision
        self._compute_stress = True
        self._compute_forces = True
        # A copy: the caller's potential keeps its device and precision.
        self.potential: Predictor = copy.deepcopy(model).to(device=self._device, dtype=precision)
        if accelerate:
            self.potential = accelerated(self.potential, compiled=compiled)
        self._kept: _KeptList | None = None
        self.species = tuple(self.potential.species)
        self.cutoff = float(self.potential.cutoff)
        known = torch.tensor(self.species, device=self._device)
        self.register_buffer("_known", known, persistent=False)

    def forward(self, state: Any, **_: Any) -> dict[str, Tensor]:
        """Energies, forces and stresses of all systems of a state.

        :param state: TorchSim's ``SimState``, or a dictionary of its fields (masses not needed).
        :return: "energy" (s,) eV, "forces" (n, 3) eV/Å, "stress" (s, 3, 3) eV/Å³ in ASE's sign.
        :raises SystemInputError: see :meth:`evaluate`.
        """
        if isinstance(state, dict):
            state = SimpleNamespace(**{"system_idx": None, **state})
        # TorchSim's cell vectors are columns.
        positions, cells = state.positions, state.cell.mT.reshape(-1, 3, 3)
        system = state.system_idx
        if system is None:
            system = torch.zeros(len(positions), dtype=torch.int64, device=positions.device)
        pbc = np.full((len(cells), 3), bool(state.pbc))
        result = self.evaluate(positions, state.atomic_numbers, system, cells, pbc)
        volumes = torch.linalg.det(cells.double()).abs()[:, None, None]
        stress = result.virials.double() / torch.where(volumes > 0, volumes, torch.nan)
        return {
            "energy": result.energies.to(positions.dtype),
            "forces": result.forces.to(positions.dtype),
            "stress": stress.to(positions.dtype),
        }

    def evaluate(
        self, positions: Tensor, numbers: Tensor, system: Tensor, cells: Tensor, pbc: np.ndarray
    ) -> Results:
        """Energies, forces and virials of n atoms in s systems, tensors on the model's device.

        :param positions: (n, 3) Å.
        :param numbers: (n,) atomic numbers.
        :param system: (n,) index of the system of each atom, ascending.
        :param cells: (s, 3, 3) Å, rows are the cell vectors; zeros without a cell.
        :param pbc: (s, 3) bool.
        :raises SystemInputError: naming a system with an unknown species, coinciding atoms,
            positions that are not numbers, or periodic directions without a volume.
        """
        positions, cells = positions.detach().double(), cells.detach().double()
        graph = self._graph(positions, numbers.long(), system.long(), cells, pbc)
        try:
            with torch.no_grad():
                return self.potential(graph)
        except CoincidingAtomsError as error:
            raise _coincidence(system, error.first, error.second) from None

    def _graph(
        self, positions: Tensor, numbers: Tensor, system: Tensor, cells: Tensor, pbc: np.ndarray
    ) -> AtomicGraph:
        if not self.potential.skips_distant:
            # Pairs beyond the cutoff would cost more than a new list.
            return self._new_list(positions, numbers, system, cells, pbc, self.cutoff)
        if self._kept is None or not self._kept.serves(positions, numbers, system, cells, pbc):
            # Copies, because the caller may change the tensors in place.
            wide = self._new_list(
                positions.clone(),
                numbers.clone(),
                system.clone(),
                cells.clone(),
                pbc,
                self.cutoff + SKIN,
            )
            self._kept = _KeptList.of(wide, pbc)
        return replace(self._kept.graph, positions=positions)

    def _new_list(
        self,
        positions: Tensor,
        numbers: Tensor,
        system: Tensor,
        cells: Tensor,
        pbc: np.ndarray,
        reach: float,
    ) -> AtomicGraph:
        """The graph with all pairs nearer than ``reach`` (Å); refuses bad systems."""
        self._check(positions, numbers, system)
        if positions.is_cuda and (pbc == pbc[:, :1]).all():
            pairs = pairs_on_device(positions, system, cells, pbc, reach)
        else:
            pairs = pairs_on_host(positions, system, cells, pbc, reach)
        return graph_from_pairs(positions, numbers, system, cells, pairs)

    def _check(self, positions: Tensor, numbers: Tensor, system: Tensor) -> None:
        known = torch.isin(numbers, self._known)
        finite = torch.isfinite(positions).all(1)
        if bool((known & finite).all()):
            return
        atom = int((~(known & finite)).nonzero()[0, 0])
        number = int(system[atom])
        if known[atom]:
            within = atom - int((system < number).sum())
            reason = f"the position of atom {within} is not a number"
        else:
            names = ", ".join(chemical_symbols[z] for z in self.species)
            unknown = chemical_symbols[int(numbers[atom])]
            reason = f"the model does not know {unknown}; it was made for {names}"
        raise SystemInputError(number, reason)


@dataclass(frozen=True)
class _KeptList:
    """The graph of a batch with all pairs within the cutoff and the skin."""

    graph: AtomicGraph
    pbc: np.ndarray  # (s, 3) bool
    # False with atoms so near to each other that they could meet before half the skin is used up.
    lasting: bool

    @classmethod
    def of(cls, graph: AtomicGraph, pbc: np.ndarray) -> "_KeptList":
        lengths = torch.linalg.vector_norm(graph.edge_vectors(), dim=-1)
        return cls(graph, pbc.copy(), bool(lengths.min() > SKIN + COINCIDENCE_DISTANCE))

    def serves(
        self, positions: Tensor, numbers: Tensor, system: Tensor, cells: Tensor, pbc: np.ndarray
    ) -> bool:
        """Whether no pair within the cutoff can be missing; arguments as for
        :meth:`TorchSimModel.evaluate`.
        """
        old = self.graph
        if not (
            self.lasting
            and positions.shape == old.positions.shape
            and cells.shape == old.cells.shape
            and (pbc == self.pbc).all()
        ):
            return False
        # Not true either where a position is not a number.
        near = (positions - old.positions).square().sum(1).max() < (SKIN / 2) ** 2
        same = [
            (numbers == old.numbers).all(),
            (system == old.system).all(),
            (cells == old.cells).all(),
        ]
        return bool(torch.stack([near, *same]).all())


def pairs_on_host(
    positions: Tensor, system: Tensor, cells: Tensor, pbc: np.ndarray, cutoff: float
) -> Pairs:
    """Every pair of a batch within the cutoff (Å) once, by vesin on the CPU.

    :param positions: (n, 3) Å, float64; other parameters as for :meth:`TorchSimModel.evaluate`.
    :return: first atoms (e,), second atoms (e,), integer cell shifts (e, 3).
    :raises SystemInputError: see :func:`camp.graph.neighbour_list`.
    """
    places, lattices = positions.cpu().numpy(), cells.cpu().numpy()
    sizes = torch.bincount(system, minlength=len(cells)).tolist()
    centres, neighbours, shifts, first = [], [], [], 0
    for number, size in enumerate(sizes):
        atoms = Atoms(
            positions=places[first : first + size], cell=lattices[number], pbc=pbc[number]
        )
        try:
            i, j, shift = neighbour_list(atoms, cutoff)
        except InputError as error:
            raise SystemInputError(number, str(error)) from None
        half = len(i) // 2
        centres.append(i[:half] + first)
        neighbours.append(j[:half] + first)
        shifts.append(shift[:half])
        first += size
    device = positions.device
    return (
        torch.from_numpy(np.concatenate(centres)).to(device),
        torch.from_numpy(np.concatenate(neighbours)).to(device),
        torch.from_numpy(np.concatenate(shifts)).to(device),
    )


def pairs_on_device(
    positions: Tensor, system: Tensor, cells: Tensor, pbc: np.ndarray, cutoff: float
) -> Pairs:
    """The same by TorchSim's lists, without leaving the device.

    Each system must be periodic in all directions or in none.
    """
    periodic = torch.from_numpy(np.ascontiguousarray(pbc[:, 0])).to(positions.device)
    flat = torch.linalg.det(cells).abs() < 1e-8
    if bool((flat & periodic).any()):
        raise SystemInputError(
            int((flat & periodic).nonzero()[0, 0]), "the cell has no volume but is periodic"
        )
    # The lists invert the cell and want wrapped positions; without periodicity any cell will do.
    box = torch.where(periodic[:, None, None], cells, torch.eye(3).to(cells))
    fractional = torch.bmm(positions[:, None, :], torch.linalg.inv(box)[system])[:, 0]
    images = torch.where(periodic[system, None], fractional.floor(), 0.0)
    wrapped = positions - torch.bmm(images[:, None, :], box[system])[:, 0]
    sizes = torch.bincount(system, minlength=len(cells))
    search = torch_nl_n2 if int(sizes.max()) <= ALL_PAIRS_ATOMS else torch_nl_linked_cell
    directions = periodic[:, None].expand(-1, 3).contiguous()
    (i, j), _, shift = search(cutoff, wrapped, box.reshape(-1, 3), directions, system)
    pairs = half_of_pairs(i, j, (shift + images[i] - images[j]).round().long())
    _refuse_coincidence(positions, system, cells, pairs)
    return pairs


def _refuse_coincidence(positions: Tensor, system: Tensor, cells: Tensor, pairs: Pairs) -> None:
    i, j, shift = pairs
    offset = torch.bmm(shift.to(cells)[:, None, :], cells[system[i]])[:, 0]
    near = (positions[j] - positions[i] + offset).norm(dim=1) < COINCIDENCE_DISTANCE
    if bool(near.any()):
        pair = int(near.nonzero()[0, 0])
        raise _coincidence(system, int(i[pair]), int(j[pair]))


def _coincidence(system: Tensor, i: int, j: int) -> SystemInputError:
    """What to say of two coinciding atoms of a batch: their indices within their system."""
    number = int(system[i])
    first = int((system < number).sum())
    return SystemInputError(number, f"atoms {i - first} and {j - first} coincide")
