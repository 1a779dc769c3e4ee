"""Figures 3 and S2: structure and diffusion in simulations of the Li–P–S crystal."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from camp.report.declarations import FigureDeclaration
from camp.report.inputs import Inputs
from camp.report.panels import (
    draw_displacement,
    draw_profile,
    draw_reference,
    foot_text,
    mark,
)
from camp.report.paper import PaperNumber
from camp.report.simulations import Analysis, Profile, read_reference
from camp.report.style import COLOURS, make_figure, make_room, say_missing

_TRIPLE = "S-P-S"


def lips_simulation(declared: FigureDeclaration, inputs: Inputs) -> Figure:
    """Figure 3: RDF, angles S–P–S and MSD of a simulation against AIMD (dashed).

    Its reference is the analysis of the AIMD frames; without it only ours is drawn.

    :raises InputError: see :func:`camp.report.simulations.read_reference`.
    """
    (simulation,), (aimd,) = declared.exactly(1, "simulations"), declared.exactly(1, "references")
    analysis = inputs.simulated(simulation)
    reference, remark = _reference(inputs.references.get(aimd))
    figure, (panels,) = make_figure(
        declared.heading,
        foot_text([analysis] if analysis else [], inputs.scale, [remark]),
        columns=3,
        size=(12.5, 4.4),
    )
    for panel, letter in zip(panels, "abc", strict=True):
        mark(panel, letter)
    if analysis is None:
        for panel in panels:
            say_missing(panel, inputs.why_not_simulated(simulation))
        return figure
    _draw_rdf(panels[0], analysis, reference)
    _draw_angles(panels[1], analysis, reference)
    _draw_motion(panels[2], analysis, reference, inputs.reported_diffusivity(simulation))
    return figure


def lips_large_timestep(declared: FigureDeclaration, inputs: Inputs) -> Figure:
    """Figure S2: MSD of Li⁺ in a simulation."""
    (simulation,) = declared.exactly(1, "simulations")
    analysis = inputs.simulated(simulation)
    figure, ((panel,),) = make_figure(
        declared.heading,
        foot_text([analysis] if analysis else [], inputs.scale),
        columns=1,
        size=(6.0, 4.4),
    )
    if analysis is None:
        say_missing(panel, inputs.why_not_simulated(simulation))
    else:
        _draw_motion(panel, analysis, None, inputs.reported_diffusivity(simulation))
    return figure


def overlap(profile: Profile, other: Profile, up_to: float | None = None) -> float:
    """∫|g − g'| dr over the range that both cover, up to ``up_to`` (Å; unit of the result: Å)."""
    inside = (profile.x >= other.x[0]) & (profile.x <= min(other.x[-1], up_to or np.inf))
    x = profile.x[inside]
    difference = profile.mean[inside] - np.interp(x, other.x, other.mean)
    return float(np.trapezoid(np.abs(difference), x))


def _reference(aimd: Path | None) -> tuple[Analysis | None, str]:
    """The AIMD analysis and what to say about it."""
    if aimd is None:
        return None, "No AIMD reference was given"
    reference = read_reference(aimd)
    if isinstance(reference, str):
        return None, f"No AIMD reference: {reference}"
    return reference, f"Dashed: {reference.title}, data: {reference.data}"


def _draw_rdf(panel: Axes, analysis: Analysis, reference: Analysis | None) -> None:
    profile = analysis.rdf.get("all")
    if profile is None:
        say_missing(panel, analysis.why_not("rdf", "all"))
        return
    limit = analysis.rdf_valid_to or float(profile.x[-1])
    draw_profile(panel, profile, "this work", COLOURS[0], up_to=limit)
    if reference and (other := reference.rdf.get("all")):
        limit = min(limit, reference.rdf_valid_to or np.inf)
        label = f"AIMD: ∫|Δg| dr = {overlap(profile, other, limit):.2f} Å"
        shown = other.x <= limit
        draw_reference(panel, other.x[shown], other.mean[shown], label)
    panel.set(xlabel="r (Å)", ylabel="Radial distribution function g(r)", xlim=(1.0, limit))
    panel.set_ylim(bottom=0)
    make_room(panel, panel.legend(frameon=False, fontsize=8, loc="upper right"))


def _draw_angles(panel: Axes, analysis: Analysis, reference: Analysis | None) -> None:
    profile = analysis.adf.get(_TRIPLE)
    if profile is None:
        say_missing(panel, analysis.why_not("adf", _TRIPLE))
        return
    draw_profile(panel, profile, f"this work: peak at {profile.peak[0]:g}°", COLOURS[0])
    if reference and (other := reference.adf.get(_TRIPLE)):
        label = f"AIMD: peak at {other.peak[0]:g}°"
        draw_reference(panel, other.x, other.mean, label)
    occupied = profile.x[profile.mean > 0.01 * profile.peak[1]]
    panel.set(
        xlabel="Angle S–P–S (°)",
        ylabel="Angular distribution function (1/°)",
        xlim=(max(occupied[0] - 10, 0), min(occupied[-1] + 10, 180)),
    )
    panel.set_ylim(bottom=0)
    make_room(panel, panel.legend(frameon=False, fontsize=8, loc="upper left"))


def _draw_motion(
    panel: Axes, analysis: Analysis, reference: Analysis | None, reported: PaperNumber | None
) -> None:
    displacement = analysis.only_displacement
    if displacement is None:
        say_missing(panel, analysis.why_not("msd"))
        return
    other = reference.msd.get(displacement.species) if reference else None
    draw_displacement(panel, displacement, reference=other, reported=reported)
