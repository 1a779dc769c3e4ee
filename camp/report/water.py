"""Figures 4 and S3: structure and diffusion in simulations of liquid water."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from camp.report.declarations import FigureDeclaration
from camp.report.inputs import Inputs
from camp.report.panels import diffusion_text, draw_profile, foot_text, mark
from camp.report.paper import significant
from camp.report.simulations import Analysis, Profile
from camp.report.style import COLOURS, make_figure, make_room, plain_logarithmic, say_missing
from camp.report.water_references import LABELS, read_water_reference

_PAIR = "O-O"
# How far the height of a peak is taken to be known from a single run.
_OF_ONE_RUN = 0.1
# Colour, line of each reference.
_LOOKS = {
    "xray-2014": (COLOURS[3], "--"),
    "xray-2013": (COLOURS[5], ":"),
    "neutron": (COLOURS[2], "-."),
    "revpbe0": ("#222222", "--"),
}


def water_structure(declared: FigureDeclaration, inputs: Inputs) -> Figure:
    """Figure 4: RDF of oxygen at 300 K over experiments and the revPBE0-D3 reference.

    The legend gives each first peak: its height (standard deviation over runs) and its position,
    as sampled. References (see :mod:`camp.report.water_references`) that are not given are not
    drawn.

    :raises InputError: see :func:`camp.report.water_references.read_water_reference`.
    """
    (simulation,) = declared.exactly(1, "simulations")
    analysis = inputs.simulated(simulation)
    absent = [LABELS[name] for name in declared.references if name not in inputs.references]
    remarks = [f"Not given: {'; '.join(absent)}"] if absent else []
    figure, ((panel,),) = make_figure(
        declared.heading,
        foot_text([analysis] if analysis else [], inputs.scale, remarks),
        columns=1,
        size=(7.0, 5.0),
    )
    profile = analysis.rdf.get(_PAIR) if analysis else None
    if analysis is None:
        say_missing(panel, inputs.why_not_simulated(simulation))
        return figure
    if profile is None:
        say_missing(panel, analysis.why_not("rdf", _PAIR))
        return figure
    limit = analysis.rdf_valid_to or float(profile.x[-1])
    uncertainty = None if analysis.runs > 1 else _OF_ONE_RUN
    label = f"this work, {analysis.temperature:g} K: {_peak_text(profile, uncertainty)}"
    draw_profile(panel, profile, label, COLOURS[0], up_to=limit)
    right = max(limit, 5.0)
    for name in declared.references:
        if name not in inputs.references:
            continue
        reference = read_water_reference(name, inputs.references[name])
        colour, line = _LOOKS[name]
        shown = reference.profile.x <= right
        panel.plot(
            reference.profile.x[shown],
            reference.profile.mean[shown],
            line,
            color=colour,
            linewidth=1.3,
            label=f"{reference.label}: {_peak_text(reference.profile)}",
        )
    panel.set(xlabel="r (Å)", ylabel="g(r), O–O", xlim=(2.0, right))
    panel.set_ylim(bottom=0)
    panel.axhline(1.0, color="#bbbbbb", linewidth=0.7, zorder=0)
    legend = panel.legend(
        title="First peak: height, position",
        title_fontsize=8,
        frameon=False,
        fontsize=8,
        loc="upper right",
    )
    make_room(panel, legend)
    return figure


def water_temperatures(declared: FigureDeclaration, inputs: Inputs) -> Figure:
    """Figure S3: RDF and MSD (both of oxygen) at several temperatures, with diffusivities."""
    found = inputs.simulated_of(declared)
    figure, (panels,) = make_figure(
        declared.heading,
        foot_text(found, inputs.scale, _absences(declared, inputs)),
        size=(11.0, 4.4),
    )
    for panel, letter in zip(panels, "ab", strict=True):
        mark(panel, letter)
    if found:
        _draw_structures(panels[0], found)
        _draw_motions(panels[1], found)
        return figure
    for panel in panels:
        say_missing(panel, inputs.why_not_simulated(declared.simulations[0]))
    return figure


def _absences(declared: FigureDeclaration, inputs: Inputs) -> list[str]:
    """What to say about temperatures that are not drawn."""
    known, model = inputs.results.simulations, inputs.paper.architecture
    reasons = {name: known.reason(name, model) for name in declared.simulations}
    absent = [name for name in declared.simulations if not inputs.simulated(name)]
    remarks = [f"{name}: {reasons[name]}" for name in absent if reasons[name]]
    not_run = [name for name in absent if not reasons[name]]
    return [*remarks, *([f"Not run at this scale: {', '.join(not_run)}"] if not_run else [])]


def _draw_structures(panel: Axes, found: Sequence[Analysis]) -> None:
    drawn = [analysis for analysis in found if _PAIR in analysis.rdf]
    if not drawn:
        say_missing(panel, found[0].why_not("rdf", _PAIR))
        return
    for analysis in drawn:
        draw_profile(
            panel,
            analysis.rdf[_PAIR],
            f"{analysis.temperature:g} K",
            _colour(analysis),
            up_to=analysis.rdf_valid_to,
        )
    panel.set(xlabel="r (Å)", ylabel="g(r), O–O", xlim=(1.5, panel.get_xlim()[1]))
    panel.set_ylim(bottom=0)
    panel.axhline(1.0, color="#bbbbbb", linewidth=0.7, zorder=0)
    make_room(panel, panel.legend(frameon=False, fontsize=8, loc="upper right"))


def _draw_motions(panel: Axes, found: Sequence[Analysis]) -> None:
    """Both axes logarithmic: the diffusivities span two orders of magnitude."""
    drawn = [(a, displacement) for a in found if (displacement := a.only_displacement)]
    if not drawn:
        say_missing(panel, found[0].why_not("msd"))
        return
    for analysis, displacement in drawn:
        label = f"{analysis.temperature:g} K\n{diffusion_text(displacement)}"
        for run in displacement.runs:
            later = displacement.times[: len(run)] > 0
            panel.plot(
                displacement.times[: len(run)][later],
                run[later],
                color=_colour(analysis),
                linewidth=1.1,
                label=label,
            )
            label = ""
    species = drawn[0][1].species
    panel.set(xscale="log", yscale="log", xlabel="Time (ps)", ylabel=f"MSD of {species} (Å²)")
    plain_logarithmic(panel.xaxis)
    plain_logarithmic(panel.yaxis)
    panel.margins(x=0)
    panel.legend(
        frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), labelspacing=1.2
    )


def _peak_text(profile: Profile, uncertainty: float | None = None) -> str:
    """Height, with its standard deviation where there is one, and position."""
    position, height, std = profile.peak
    return f"{significant(height, std or None, uncertainty)} at {position:.2f} Å"


def _colour(analysis: Analysis) -> str:
    """Dark and cold to light and hot, readable without colours."""
    return to_hex(colormaps["inferno"](np.interp(analysis.temperature, (300, 1500), (0.1, 0.8))))
