"""Figure S1: the starting structure of the simulations of the Li–P–S crystal."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Polygon
from scipy.spatial import ConvexHull

from camp.data.readers import read_structures
from camp.errors import InputError
from camp.report.declarations import FigureDeclaration
from camp.report.inputs import Inputs
from camp.report.style import make_figure, missing_figure

# Longest P–S bond of a tetrahedron (Å), as for the angles S–P–S.
BOND_LENGTH = 2.6


@dataclass(frozen=True)
class _Look:
    colour: str
    radius: float


# The colours of the paper; radii in Å, for the drawing only.
_LOOKS = {
    "Li": _Look("#3d9a50", 0.45),
    "P": _Look("#7d4fa3", 0.45),
    "S": _Look("#e6c32e", 0.55),
}
_OTHER = _Look("#949494", 0.5)
_TETRAHEDRON = "#a883c9"
# Degrees: turned about the vertical axis of the page, then tilted towards the eye.
_TURN, _TILT = 18.0, 12.0
_CORNERS = np.array(list(np.ndindex(2, 2, 2)))


def crystal(declared: FigureDeclaration, inputs: Inputs) -> Figure:
    """Atoms of the first structure in one cell, seen almost along a, with the PS₄ tetrahedra.

    Sulphur atoms that complete a tetrahedron beyond the cell are drawn as well.

    :raises InputError: unreadable file, a structure without a cell, or no label of its data.
    """
    structure, scale = inputs.structure, inputs.scale
    if structure is None:
        return missing_figure(declared.heading, scale, "no starting structure was given")
    if not inputs.data:
        raise InputError("a figure of a structure needs --data; give the label of its data")
    atoms = read_structures(structure, targets=(), first=1)[0]
    if not atoms.pbc.all():
        raise InputError(f"{structure}: the first structure has no periodic cell; give a crystal")
    atoms.wrap()
    tetrahedra = find_tetrahedra(atoms)
    foot = (
        f"This work, scale {scale} — data: {inputs.data}; {_formula(atoms)}, "
        f"{len(tetrahedra)} tetrahedra PS₄ (P–S below {BOND_LENGTH} Å). The angles S–P–S are those "
        "of the tetrahedra."
    )
    figure, ((panel,),) = make_figure(declared.heading, foot, columns=1, size=(7.0, 6.4))
    panel.set_axis_off()
    panel.set_aspect("equal")
    view = _view(np.asarray(atoms.cell))
    _draw_cell(panel, np.asarray(atoms.cell) @ view)
    _draw_tetrahedra(panel, [corners @ view for corners in tetrahedra])
    _draw_atoms(panel, atoms, tetrahedra, view)
    panel.autoscale_view()
    return figure


def find_tetrahedra(atoms: Atoms) -> list[np.ndarray]:
    """The four sulphur atoms (4, 3) in Å around each phosphorus that has exactly four bonds.

    The positions are those nearest to the phosphorus, wherever that is in the periodic images.
    """
    centres, ends, vectors = neighbor_list("ijD", atoms, {("P", "S"): BOND_LENGTH})
    symbols = np.array(atoms.get_chemical_symbols())
    found = []
    for centre in np.flatnonzero(symbols == "P"):
        own = centres == centre
        if np.count_nonzero(own) == 4 and np.all(symbols[ends[own]] == "S"):
            found.append(atoms.positions[centre] + vectors[own])
    return found


def _formula(atoms: Atoms) -> str:
    """'Li₂₇P₁₂S₄₄'."""
    return atoms.get_chemical_formula().translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def _view(cell: np.ndarray) -> np.ndarray:
    """Columns: to the right (about b), up (c) and towards the eye (about a) on the page."""
    up = cell[2] / np.linalg.norm(cell[2])
    eye = cell[0] - (cell[0] @ up) * up
    eye /= np.linalg.norm(eye)
    axes = np.stack([np.cross(up, eye), up, eye], axis=1)
    turn, tilt = np.radians([_TURN, _TILT])
    about_vertical = np.array(
        [[np.cos(turn), 0, -np.sin(turn)], [0, 1, 0], [np.sin(turn), 0, np.cos(turn)]]
    )
    about_horizontal = np.array(
        [[1, 0, 0], [0, np.cos(tilt), np.sin(tilt)], [0, -np.sin(tilt), np.cos(tilt)]]
    )
    return axes @ about_vertical @ about_horizontal


def _draw_cell(panel: Axes, cell: np.ndarray) -> None:
    for start in _CORNERS:
        for axis in np.flatnonzero(start == 0):
            line = np.array([start, start + np.eye(3, dtype=int)[axis]]) @ cell
            panel.plot(*line[:, :2].T, color="#555555", linewidth=0.8, zorder=line[:, 2].mean())
    for name, axis in zip("abc", cell, strict=True):
        panel.annotate(
            name, 0.5 * axis[:2], xytext=(-9, -9), textcoords="offset points", style="italic"
        )


def _draw_tetrahedra(panel: Axes, tetrahedra: list[np.ndarray]) -> None:
    for corners in tetrahedra:
        for face in ConvexHull(corners).simplices:
            points = corners[face]
            panel.add_patch(
                Polygon(
                    points[:, :2],
                    facecolor=_TETRAHEDRON,
                    edgecolor="#5b3a80",
                    linewidth=0.9,
                    alpha=0.4,
                    zorder=points[:, 2].mean(),
                )
            )


def _draw_atoms(panel: Axes, atoms: Atoms, tetrahedra: list[np.ndarray], view: np.ndarray) -> None:
    """Circles, those in front over those behind."""
    placed = list(zip(atoms.get_chemical_symbols(), atoms.positions, strict=True))
    inside = {tuple(np.round(position, 3)) for position in atoms.positions}
    for corner in (corner for corners in tetrahedra for corner in corners):
        if tuple(np.round(corner, 3)) not in inside:
            placed.append(("S", corner))
    for symbol, position in placed:
        look, (x, y, depth) = _LOOKS.get(symbol, _OTHER), position @ view
        panel.add_patch(
            Circle(
                (x, y),
                look.radius,
                facecolor=look.colour,
                edgecolor="#222222",
                linewidth=0.5,
                zorder=depth,
            )
        )
    handles = [
        Line2D(
            [], [], marker="o", linestyle="", color=_LOOKS.get(symbol, _OTHER).colour, label=symbol
        )
        for symbol in dict.fromkeys(atoms.get_chemical_symbols())
    ]
    panel.legend(handles=handles, frameon=False, fontsize=9, loc="upper right")
