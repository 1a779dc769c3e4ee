"""Figure 6: bilayer graphene — stackings, interlayer energies, the stacking-fault surface."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from camp.data.bilayers import STACKINGS, build_bilayer
from camp.errors import InputError
from camp.files import read_json
from camp.report.declarations import FigureDeclaration
from camp.report.inputs import Inputs
from camp.report.panels import mark
from camp.report.paper import significant
from camp.report.results import mean_std
from camp.report.style import COLOURS, DENSITY, make_figure, make_room, missing_figure

_BOTTOM, _TOP = COLOURS[0], COLOURS[2]
# Colour, line and marker of the stackings whose curves are drawn; AB shows through AA.
_CURVES = {"AB": (COLOURS[0], "-", "o"), "AA": (COLOURS[1], "--", "s")}
# Å; the paper's zero of the layer distance.
_LAYER_DISTANCE = 3.4
# Of the drawings, in lattice constants: bonds are 0.577 long, second neighbours 1 apart.
_BONDED = 0.6
_WINDOW = np.array([2.05, 1.5])
# meV/atom; to which differences are given, as in the paper.
_ROUNDING = 0.01
_NAMES = {"SP-AB": "SP − AB", "AA-AB": "AA − AB"}


@dataclass(frozen=True)
class InterlayerScan:
    """One model's rigid bilayers beside the reference; see :func:`camp.md.scans.interlayer_scan`.

    Energies are meV/atom, lengths Å.
    """

    where: str
    content: Mapping[str, Any]

    def array(self, section: str, key: str) -> np.ndarray:
        """Numbers of a section; NaN where there is none."""
        return np.array(self.content[section][key], dtype=float)

    @property
    def provenance(self) -> tuple[str, str]:
        return self.content["data"], self.content["weights"]


def interlayer(declared: FigureDeclaration, inputs: Inputs) -> Figure:
    """The stackings from above, E_int against the layer distance, stacking faults.

    Several models of one kind (seeds) are drawn as their mean with a band of one standard
    deviation. Where no scan was possible, the figure gives the reason.

    :raises InputError: an unreadable or foreign file, another scale, models that were scanned with
        different settings or are of different kinds.
    """
    scale = inputs.scale
    models, reasons = read_interlayer_scans(inputs.scans, scale)
    if not models:
        reason = "; ".join(dict.fromkeys(reasons)) or f"no scan of bilayers at scale {scale}"
        return missing_figure(declared.heading, scale, reason)
    figure, panels = make_figure(
        declared.heading,
        _foot(models, scale),
        rows=2,
        columns=3,
        size=(10.5, 6.8),
        heights=(2, 3),
    )
    mark(panels[0, 0], "a")
    for panel, name in zip(panels[0], STACKINGS, strict=True):
        _draw_stacking(panel, name)
    for panel, letter in zip(panels[1], "bcd", strict=True):
        mark(panel, letter, pad=16)
    _draw_curves(panels[1, 0], models)
    _draw_surface(figure, panels[1, 1], models)
    _draw_path(panels[1, 2], models)
    return figure


def read_interlayer_scans(
    scans: Sequence[Path], scale: str
) -> tuple[list[InterlayerScan], list[str]]:
    """The scans, and the reasons of those that could not be made.

    :raises InputError: see :func:`interlayer`.
    """
    models, reasons = [], []
    for path in scans:
        where, content = str(path), read_json(path)
        try:
            if content["scale"] != scale:
                raise InputError(
                    f"{where}: of scale {content['scale']}, not {scale}; give files of one scale"
                )
            if "unavailable" in content:
                reasons.append(content["unavailable"])
                continue
            model = InterlayerScan(where, content)
            _ = model.provenance, content["curves"], content["surface"], content["path"]
            _ = content["generated"]
        except (KeyError, TypeError) as error:
            raise InputError(f"{where}: not a scan of bilayers (no {error}); scan again") from None
        models.append(model)
    for model in models[1:]:
        if model.provenance != models[0].provenance or not _alike(model, models[0]):
            raise InputError(
                f"{model.where}: other data, weights or points than {models[0].where}; "
                "scan all models of a figure in the same way"
            )
    return models, reasons


def _alike(one: InterlayerScan, other: InterlayerScan) -> bool:
    """Whether two scans have the same lattice constant, distances and shifts."""
    a, b = one.content, other.content
    keys = (("curves", "distance_A"), ("surface", "shift"), ("surface", "distance_A"))
    return bool(np.isclose(a["lattice_constant_A"], b["lattice_constant_A"])) and all(
        np.array_equal(a[section][key], b[section][key]) for section, key in keys
    )


def _foot(models: Sequence[InterlayerScan], scale: str) -> str:
    """Provenance, what the zero is, and what else is to be said."""
    data, weights = models[0].provenance
    seeds = [str(s) for m in models if (s := m.content.get("seed")) is not None]
    label = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)}" if seeds else "one model"
    first = models[0].content
    total = mean_std([m.content["mae"]["total_energy_meV_per_atom"] for m in models])
    parts = [
        f"This work, scale {scale} — data: {data}; weights: {weights}; {label}",
        "Lines: model; dots: reference (labels of the data); lattice constant "
        f"{first['lattice_constant_A']:.4g} Å",
        f"Zero of the interlayer energy of the model: {first['zero']['model']}; of the reference: "
        f"{first['zero']['reference']}",
        f"Total energies of all {first['mae']['total_energy_bilayers']} rigid bilayers: MAE "
        f"{significant(*total)} meV/atom",
    ]
    errors = [m.content["mae"]["interlayer_meV_per_atom"] for m in models]
    if known := [error for error in errors if error is not None]:
        parts.append(
            f"Interlayer energies: MAE {significant(*mean_std(known))} meV/atom "
            f"({first['mae']['interlayer_bilayers']} bilayers, all stackings)"
        )
    parts += dict.fromkeys(note for m in models if (note := m.content.get("note")))
    if first["generated"]:
        parts.append("Results on generated data are not comparable with the paper")
    return ". ".join(parts) + "."


def _draw_stacking(panel: Axes, name: str) -> None:
    """Both layers from above: the bottom one filled, the top one hollow."""
    cell = build_bilayer(1.0, 2.0, STACKINGS[name])
    panel.set_axis_off()
    panel.set_aspect("equal")
    panel.set_title(name, fontsize=10)
    for atoms, colour, filled in ((cell[:2], _BOTTOM, True), (cell[2:], _TOP, False)):
        points = atoms.repeat((10, 10, 1)).positions[:, :2] - 5 * cell.cell.array[:2, :2].sum(0)
        points = points[(np.abs(points) < _WINDOW).all(axis=1)]
        separations = np.linalg.norm(points[:, None] - points[None], axis=-1)
        for i, j in np.argwhere(np.triu((separations > 0) & (separations < _BONDED))):
            panel.plot(*points[[i, j]].T, color=colour, linewidth=1.0, zorder=1 + (not filled))
        panel.plot(
            *points.T,
            "o",
            color=colour,
            markersize=4.5 if filled else 8.0,
            markerfacecolor=colour if filled else "none",
            markeredgewidth=1.3,
            zorder=3,
        )
    # A little wider, so that no marker is cut.
    width, height = _WINDOW + 0.1
    panel.set(xlim=(-width, width), ylim=(-height, height))


def _draw_curves(panel: Axes, models: Sequence[InterlayerScan]) -> None:
    """E_int of AB and AA against the layer distance, counted from the paper's 3.4 Å."""
    first = models[0]
    offsets = first.array("curves", "distance_A") - _LAYER_DISTANCE
    stackings = np.array(first.content["references"]["stacking"])
    at = first.array("references", "distance_A") - _LAYER_DISTANCE
    reference = _mean(models, "references", "reference_interlayer_meV_per_atom")
    lowest = np.nanmin(reference)
    for name, (colour, line, marker) in _CURVES.items():
        values = np.array([model.array("curves", name) for model in models])
        _draw_band(panel, offsets, values, colour, name, line)
        chosen = (stackings == name) & ~np.isnan(reference)
        _draw_dots(panel, at[chosen], reference[chosen], colour, marker)
        lowest = min(lowest, values.mean(0)[offsets > -0.5].min())
    panel.axhline(0.0, color="#444444", linewidth=0.6)
    farthest = np.nanmax(np.where(np.isnan(reference), np.nan, at))
    panel.set_xlim(-0.75, max(farthest, 2.0) + 0.3)
    panel.set_ylim(-1.25 * abs(lowest), 1.1 * abs(lowest))
    panel.set(xlabel="Δd = d − 3.4 Å (Å)", ylabel=r"$E_\mathrm{int}$ (meV/atom)")
    # Above the panel: a model without training may be anywhere in it.
    panel.legend(
        handles=[*panel.get_legend_handles_labels()[0], _dots()],
        frameon=False,
        fontsize=8,
        ncols=3,
        columnspacing=1.2,
        borderaxespad=0.2,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
    )


def _draw_surface(figure: Figure, panel: Axes, models: Sequence[InterlayerScan]) -> None:
    """The stacking-fault energy over both shifts, and the path that the next panel follows."""
    shift = models[0].array("surface", "shift")
    energies = _mean(models, "surface", "model_meV_per_atom")
    points = models[0].array("surface", "reference_shift").reshape(-1, 2)
    reference = models[0].array("surface", "reference_meV_per_atom")
    limits = {
        "vmin": min(energies.min(), *reference, 0.0),
        "vmax": max(energies.max(), *reference, 1e-9),
    }
    # Rows follow the first shift, which is drawn along x.
    mesh = panel.pcolormesh(shift, shift, energies.T, cmap=DENSITY, shading="gouraud", **limits)
    path = np.array([STACKINGS[name] for name in models[0].content["path"]["stackings"]])
    panel.plot(*path.T, color="white", linewidth=1.0, linestyle="--")
    for name, place in STACKINGS.items():
        panel.annotate(
            name,
            place,
            xytext=(6, 5),
            textcoords="offset points",
            color="white",
            fontsize=8,
            path_effects=[withStroke(linewidth=2, foreground="#222222")],
        )
    panel.scatter(
        points[:, 0],
        points[:, 1],
        c=reference,
        cmap=DENSITY,
        edgecolors="white",
        s=30,
        clip_on=False,
        zorder=3,
        **limits,
    )
    panel.set_aspect("equal")
    panel.set(xlim=(0, 1), ylim=(0, 1), xlabel="Δa₁ (lattice vectors)")
    panel.set(ylabel="Δa₂ (lattice vectors)")
    distance = models[0].content["surface"]["distance_A"]
    figure.colorbar(mesh, ax=panel, shrink=0.85, label=f"E − E(AB) at {distance:g} Å (meV/atom)")


def _draw_path(panel: Axes, models: Sequence[InterlayerScan]) -> None:
    """The stacking-fault energy along AB–SP–AA, and the energies of SP and AA above AB."""
    path = models[0].content["path"]
    values = np.array([model.array("path", "model_meV_per_atom") for model in models])
    _draw_band(panel, models[0].array("path", "position_A"), values, COLOURS[0], "")
    _draw_dots(panel, path["reference_position_A"], path["reference_meV_per_atom"], COLOURS[0], "o")
    panel.margins(x=0.03)
    panel.set_ylim(panel.get_ylim())
    panel.vlines(
        path["stackings_position_A"],
        panel.get_ylim()[0],
        panel.dataLim.y1,
        color="#444444",
        linewidth=0.6,
        linestyle=":",
    )
    names = panel.secondary_xaxis("top")
    names.set_xticks(path["stackings_position_A"], path["stackings"], fontsize=8)
    names.tick_params(length=0)
    panel.tick_params(top=False)
    panel.set(xlabel="Shift of the top layer (Å)")
    panel.set_ylabel(f"E − E(AB) at {path['distance_A']:g} Å (meV/atom)")
    fixed = f"at {path['distance_A']:g} Å"
    lines = ["model / reference, meV/atom"]
    for kind, place in (("own_minimum", "own minima"), ("fixed_distance", fixed)):
        lines += [
            f"{label}, {place}: {_difference(models, kind, key)}" for key, label in _NAMES.items()
        ]
    text = "\n".join(lines)
    style: dict[str, Any] = {"fontsize": 7.5, "linespacing": 1.4, "va": "top"}
    make_room(panel, panel.text(0.04, 0.97, text, transform=panel.transAxes, **style))


def _difference(models: Sequence[InterlayerScan], kind: str, key: str) -> str:
    """'0.81 (0.12) / 0.58': the models' mean and standard deviation, and the reference."""
    found = [model.content["differences"][kind][key] for model in models]
    values = [one["model_meV_per_atom"] for one in found if one["model_meV_per_atom"] is not None]
    reference = found[0]["reference_meV_per_atom"]
    mean, std = mean_std(values) if len(values) == len(models) else (None, None)
    own = "no minimum" if mean is None else significant(mean, std, std or _ROUNDING)
    known = "unknown" if reference is None else f"{reference:.2f}"
    return f"{own} / {known}".replace("-", "−")


def _mean(models: Sequence[InterlayerScan], section: str, key: str) -> np.ndarray:
    return np.mean([model.array(section, key) for model in models], axis=0)


def _draw_band(
    panel: Axes, x: np.ndarray, values: np.ndarray, colour: str, label: str, line: str = "-"
) -> None:
    """Mean over models (models, points) as a line, one standard deviation as a band."""
    mean = values.mean(axis=0)
    panel.plot(x, mean, line, color=colour, linewidth=1.5, label=label)
    if len(values) > 1:
        std = values.std(axis=0, ddof=1)
        panel.fill_between(x, mean - std, mean + std, color=colour, alpha=0.25, linewidth=0)


def _draw_dots(panel: Axes, x: Any, y: Any, colour: str, marker: str) -> None:
    panel.plot(x, y, marker, color=colour, markersize=4.5, markerfacecolor="none")


def _dots() -> Line2D:
    look: dict[str, Any] = {"marker": "o", "markersize": 4.5, "markerfacecolor": "none"}
    return Line2D([], [], color="#444444", linestyle="none", label="reference", **look)
