"""Panels that several figures of simulations share."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from camp.report.paper import PaperNumber, significant
from camp.report.results import TaskResult, mean_std
from camp.report.simulations import Analysis, Displacement, Profile
from camp.report.style import COLOURS, make_room, provenance_text

REFERENCE_COLOUR = "#222222"
DIFFUSION_UNIT = "10⁻⁵ cm²/s"


def foot_text(
    analyses: Sequence[Analysis],
    scale: str,
    remarks: Sequence[str] = (),
    evaluations: Sequence[TaskResult] = (),
) -> str:
    """The line of provenance of a figure of simulations, with what is to be said about them."""
    groups: list[TaskResult | Analysis] = [*evaluations, *analyses]
    notes = [f"{analysis.simulation}: {analysis.note}" for analysis in analyses if analysis.note]
    parts = [provenance_text(groups, scale, "no simulation"), *dict.fromkeys(notes), *remarks]
    if any(group.generated for group in groups):
        parts.append("Results on generated data are not comparable with the paper or experiment")
    return ". ".join(parts) + "."


def mark(panel: Axes, letter: str, pad: float | None = None) -> None:
    """The letter by which the text speaks of a panel, so many points above it."""
    panel.set_title(letter, loc="left", fontsize=11, fontweight="bold", pad=pad)


def draw_profile(
    panel: Axes, profile: Profile, label: str, colour: str, *, up_to: float | None = None
) -> None:
    """The mean as a line, one standard deviation over runs as a band.

    :param up_to: where the distribution ends to be valid.
    """
    shown = slice(None) if up_to is None else profile.x <= up_to
    x, mean, std = profile.x[shown], profile.mean[shown], profile.std[shown]
    panel.plot(x, mean, color=colour, linewidth=1.6, label=label)
    if std.any():
        panel.fill_between(x, mean - std, mean + std, color=colour, alpha=0.25, linewidth=0)


def draw_reference(panel: Axes, x: np.ndarray, y: np.ndarray, label: str) -> None:
    panel.plot(x, y, "--", color=REFERENCE_COLOUR, linewidth=1.2, label=label)


def diffusion_text(displacement: Displacement) -> str:
    """'D = 1.08 (0.08) · 10⁻⁵ cm²/s', or why there is none."""
    if not displacement.diffusion:
        return f"no D: {displacement.reason}"
    mean, std = mean_std([1e5 * value for value in displacement.diffusion])
    uncertainty = max(std or 0.0, 1e5 * displacement.uncertainty)
    return f"D = {significant(mean, std, uncertainty)} · {DIFFUSION_UNIT}"


def draw_displacement(
    panel: Axes,
    displacement: Displacement,
    *,
    reference: Displacement | None = None,
    reported: PaperNumber | None = None,
) -> None:
    """The MSD of each run, the window of the fit shaded, the diffusivity above.

    :param reference: drawn dashed, as far as our time goes.
    :param reported: the paper's diffusivity.
    """
    for k, run in enumerate(displacement.runs):
        panel.plot(
            displacement.times[: len(run)],
            run,
            color=COLOURS[k % len(COLOURS)],
            linewidth=1.1,
            label=f"run {k + 1}",
        )
    if reference:
        for run in reference.runs:
            times = reference.times[: len(run)]
            shown = times <= displacement.times[-1]
            draw_reference(panel, times[shown], run[shown], "AIMD")
    panel.set(xlabel="Time (ps)", ylabel=f"MSD of {displacement.species} (Å²)")
    panel.margins(x=0)
    panel.set_ylim(bottom=0)
    lines = [f"this work: {diffusion_text(displacement)}"]
    if displacement.fit:
        start, end = displacement.fit
        lines[0] += f"\n  (slope from {start:g} to {end:g} ps, shaded)"
        highest = panel.dataLim.y1
        panel.add_patch(Rectangle((start, 0), end - start, highest, color="#ececec", zorder=0))
    if reference:
        lines.append(f"AIMD: {diffusion_text(reference)}")
    if reported:
        lines.append(f"paper (reported): D = {reported.shown} · {DIFFUSION_UNIT}")
    legend = panel.legend(
        title="\n".join(lines),
        title_fontproperties={"size": 8},
        alignment="left",
        frameon=False,
        fontsize=8,
        ncols=3,
        loc="upper left",
    )
    make_room(panel, legend)
