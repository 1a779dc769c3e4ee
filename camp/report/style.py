"""What all figures share: colours, provenance, files. No state of matplotlib is touched."""

import io
import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.path import Path as MatplotlibPath
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator, NullFormatter
from matplotlib.transforms import Transform
from PIL import Image

from camp.files import atomic_path
from camp.report.results import TaskResult
from camp.report.simulations import Analysis

# The palette 'colorblind' of seaborn, whose import takes a second and touches matplotlib's state.
COLOURS = (
    "#0173b2",
    "#de8f05",
    "#029e73",
    "#d55e00",
    "#cc78bc",
    "#ca9161",
    "#fbafe4",
    "#949494",
    "#ece133",
    "#56b4e9",
)
DENSITY = "cividis"
_DPI, _SMALL_DPI = 200, 90
# Between what is drawn and what is written, in heights and widths of a panel.
_GAP = 0.02


def make_figure(
    title: str,
    provenance: str,
    *,
    columns: int = 2,
    rows: int = 1,
    size: tuple[float, float] = (9.0, 4.4),
    polar: bool = False,
    heights: Sequence[float] = (),
) -> tuple[Figure, np.ndarray]:
    """A figure with a title, panels (rows, columns) and a line of provenance at its foot.

    :param polar: panels of angle and radius.
    :param heights: of rows, relative; with them each row is spaced by itself.
    """
    figure = Figure(figsize=size, layout="constrained")
    # Names, which have hyphens, stay whole.
    lines = textwrap.wrap(provenance, int(15 * size[0]), break_on_hyphens=False)
    foot = (0.12 + 0.15 * len(lines)) / size[1]
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.set(rect=(0, foot, 1, 1 - foot), w_pad=0.08, h_pad=0.08)  # type: ignore[call-arg]
    figure.suptitle(title, fontsize=11)
    figure.text(0.01, 0.06 / size[1], "\n".join(lines), fontsize=7.5, color="#444444", va="bottom")
    kind = {"projection": "polar"} if polar else None
    if heights:
        outer = figure.add_gridspec(rows, 1, height_ratios=heights)
        inner = [outer[row].subgridspec(1, columns) for row in range(rows)]
        panels = np.concatenate([row.subplots(squeeze=False) for row in inner])
    else:
        panels = figure.subplots(rows, columns, squeeze=False, subplot_kw=kind)
    for panel in panels.flat:
        panel.tick_params(direction="in", which="both", top=True, right=True)
    return figure, panels


class _PlainTicks(Locator):
    """1, 2 and 5 times the powers of ten, or more of them; equally spaced round numbers where those
    are too few.
    """

    def __call__(self) -> Sequence[float]:
        assert self.axis is not None
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        low, high = sorted((vmin, vmax))
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        # Over several decades the powers of ten are enough.
        for factors in ((1, 2, 5), (1, 2, 3, 4, 6, 8)) if len(powers) <= 4 else ((1,),):
            ticks = [factor * 10.0**power for power in powers for factor in factors]
            if len(inside := [tick for tick in ticks if low <= tick <= high]) >= 3:
                return inside
        ticks = list(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))
        return [tick for tick in ticks if low <= tick <= high]


def plain_logarithmic(axis: Axis) -> None:
    """A logarithmic axis with plain numbers, three or more wherever it ends."""
    axis.set_major_locator(_PlainTicks())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def make_room(panel: Axes, writing: Artist) -> None:
    """Raise the upper end of a linear vertical axis until the lines and bands below a text or
    legend at the top of the panel do not reach it.
    """
    figure: Any = panel.figure
    # The layout is known only then.
    figure.draw_without_rendering()
    to_panel = panel.transAxes.inverted()
    box = writing.get_window_extent().transformed(to_panel)
    x, y = to_panel.transform(drawn_points(panel)).T
    highest = max(y[(x > box.x0 - _GAP) & (x < box.x1 + _GAP)], default=0.0)
    low, high = panel.get_ylim()
    panel.set_ylim(low, low + (high - low) * max(1.0, highest / max(box.y0 - _GAP, 0.25)))


def drawn_points(panel: Axes) -> np.ndarray:
    """Points (n, 2) in pixels, close together along lines and edges of bands in a panel; markers
    without a line count as their middles.
    """
    drawn: list[tuple[Transform, MatplotlibPath]] = [
        *((line.get_transform(), line.get_path()) for line in panel.lines),
        *((patch.get_transform(), patch.get_path()) for patch in panel.patches),
        *((one.get_transform(), path) for one in panel.collections for path in one.get_paths()),
    ]
    points = [
        transform.transform_path(path).interpolated(20).vertices
        for transform, path in drawn
        # Not lines across the whole panel, such as that at zero.
        if transform.contains_branch(panel.transData)
    ]
    return np.concatenate([np.empty((0, 2)), *points])


def provenance_text(
    groups: Sequence[TaskResult | Analysis], scale: str, nothing: str = "no evaluation"
) -> str:
    """Where the numbers of a figure are from: model, data, weights, scale, seeds or runs."""
    counts: dict[str, dict[str, None]] = {}
    for group in groups:
        counts.setdefault(group.provenance, {})[group.count_label] = None
    parts = ["; ".join([origin, *labels]) for origin, labels in counts.items()]
    return f"This work, scale {scale} — {' | '.join(parts) or nothing}"


def say_missing(panel: Axes, reason: str) -> None:
    """Fill a panel that has nothing to show with the reason."""
    panel.set_axis_off()
    text = "\n".join(textwrap.wrap(f"missing: {reason}", 40))
    panel.text(0.5, 0.5, text, transform=panel.transAxes, ha="center", va="center", color="#444444")


def missing_figure(title: str, scale: str, reason: str) -> Figure:
    """A figure that says why there is none."""
    figure, panels = make_figure(title, provenance_text([], scale), columns=1, size=(6.0, 2.0))
    say_missing(panels[0, 0], reason)
    return figure


def save_figure(figure: Figure, out: str | Path) -> None:
    """Write ``out`` as PNG and, beside it, the same figure as PDF.

    :raises InputError: the folder cannot be written.
    """
    out = Path(out)
    # Without dates the same numbers give the same files.
    undated = {".png": {"Software": None}, ".pdf": {"CreationDate": None}}
    for suffix, metadata in undated.items():
        with atomic_path(out.with_suffix(suffix)) as temporary:
            figure.savefig(temporary, dpi=_DPI, metadata=metadata)


def save_small(figure: Figure, out: Path) -> None:
    """Write ``out`` as a small PNG of few colours, for a page.

    :raises InputError: the folder cannot be written.
    """
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=_SMALL_DPI, format="png")
    with atomic_path(out) as temporary, Image.open(drawn) as image:
        image.convert("RGB").quantize(64).save(temporary, optimize=True)
