"""Figures for a report or a slide, as vector files: curves, a walk as a strip, pictures as a grid. Without torch.

matplotlib is imported when a figure is made. Pictures inside stay pictures, enlarged to sharp squares that no viewer smooths.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lessons_lib.files.pictures import tiled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind eyes; lines also differ in dash
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES = ("-", "--", ":", "-.", (0, (8, 3)), (0, (8, 3, 1.5, 3)))
MARKERS = ("o", "s", "D", "P", "X", "^")
KINDS = {"pdf": "application/pdf", "svg": "image/svg+xml"}


@dataclass(frozen=True)
class Size:
    """wide: inches. font: points. line: points."""

    wide: float
    font: float
    line: float


SIZES = {"report": Size(5.5, 9, 1.3), "slide": Size(11.0, 18, 2.6)}  # a page's column of text; a 16:9 slide


@dataclass(frozen=True)
class Curves:
    """Named lines over one axis: what a plot on a page shows. lines: {name: (xs, ys)}; x, y: titles of the axes."""

    lines: dict[str, tuple[Sequence[float], Sequence[float]]]
    x: str
    y: str
    log_x: bool = False
    log_y: bool = False
    markers: bool = False
    mark: float | None = None  # a place on the x axis, and what it is
    mark_label: str = ""
    level: float | None = None  # a height on the y axis, and what it is
    level_label: str = ""
    ticks: list[float] = field(default_factory=list)  # of the y axis; by itself if there are none

    def figure(self, size: Size) -> Figure:
        fig = _figure(size, size.wide * 0.55)
        axes = fig.add_subplot()
        for i, (name, (xs, ys)) in enumerate(self.lines.items()):
            known = [(a, b) for a, b in zip(xs, ys, strict=True) if a is not None and b is not None and math.isfinite(b)]
            style = {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i % len(DASHES)], "linewidth": size.line}
            marker = {"marker": MARKERS[i % len(MARKERS)], "markersize": 3 * size.line} if self.markers else {}
            axes.plot(*(zip(*known, strict=True) if known else ((), ())), label=_text(name), **style, **marker)
        if self.log_x:
            axes.set_xscale("log")
            places = sorted({v for xs, _ in self.lines.values() for v in xs})
            axes.set_xticks(places, [f"{v:g}" for v in places])
            axes.minorticks_off()
        if self.log_y:
            axes.set_yscale("log")
        if self.ticks:
            axes.set_yticks(self.ticks, [f"{v:g}" for v in self.ticks])
            axes.minorticks_off()
        for draw, place in ((axes.axvline, self.mark), (axes.axhline, self.level)):
            if place is not None:
                draw(place, color="#888888", linestyle=":", linewidth=size.line)
        note = {"color": "#555555", "fontsize": size.font * 0.9}
        if self.mark is not None:
            axes.annotate(_text(self.mark_label), (self.mark, 1), (2, 3), ("data", "axes fraction"), "offset points", **note)
        if self.level is not None:
            axes.annotate(
                _text(self.level_label), (1, self.level), (-2, 3), ("axes fraction", "data"), "offset points", ha="right", **note
            )
        axes.set_xlabel(_text(self.x), fontsize=size.font)
        axes.set_ylabel(_text(self.y), fontsize=size.font)
        axes.tick_params(labelsize=size.font * 0.9, width=size.line / 2)
        axes.grid(alpha=0.25, linewidth=size.line / 2)
        axes.spines[["top", "right"]].set_visible(False)
        if len(self.lines) > 1:
            fig.legend(
                *axes.get_legend_handles_labels(), loc="outside upper left", ncols=2, frameon=False, fontsize=size.font * 0.9
            )
        return fig


@dataclass(frozen=True)
class Grid:
    """Pictures in rows, a caption under each or none at all. pictures: (C, H, W) uint8 of one size; columns: pictures in a row."""

    pictures: Sequence[np.ndarray]
    captions: Sequence[str]
    columns: int

    def figure(self, size: Size) -> Figure:
        columns = min(self.columns, len(self.pictures))
        rows = -(-len(self.pictures) // columns)
        high, wide = self.pictures[0].shape[1:]
        captions = [*self.captions, *[""] * (len(self.pictures) - len(self.captions))]
        lines = max(caption.count("\n") + 1 if caption else 0 for caption in captions)
        side = size.wide / columns
        fig = _figure(size, rows * (side * high / wide + lines * size.font * 1.6 / 72 + 0.06))
        for axes, pixels, caption in zip(fig.subplots(rows, columns, squeeze=False).flat, self.pictures, captions, strict=False):
            axes.imshow(_sharp(pixels), interpolation="none", cmap="gray", vmin=0, vmax=255)
            axes.set_xlabel(_text(caption), fontsize=size.font * 0.9)
        for axes in fig.axes:
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
        return fig


@dataclass(frozen=True)
class Bars:
    """Bars beside one another in groups, from 0 to 1. bars: {name: a height a group}; labels: {name: what stands on each}."""

    groups: Sequence[str]
    bars: dict[str, Sequence[float]]
    labels: dict[str, Sequence[str]]
    y: str

    def figure(self, size: Size) -> Figure:
        fig = _figure(size, size.wide * 0.5)
        axes, wide = fig.add_subplot(), 0.8 / len(self.bars)
        for i, (name, heights) in enumerate(self.bars.items()):
            places = [k + (i - (len(self.bars) - 1) / 2) * wide for k in range(len(heights))]
            drawn = axes.bar(
                places, heights, wide, color=COLOURS[i], hatch=("", "//")[i % 2], edgecolor="#fff", label=_text(name)
            )
            axes.bar_label(drawn, [_text(said) for said in self.labels[name]], fontsize=size.font * 0.8)
        axes.set_xticks(range(len(self.groups)), [_text(group) for group in self.groups], fontsize=size.font * 0.9)
        axes.set_ylabel(_text(self.y), fontsize=size.font)
        axes.tick_params(axis="y", labelsize=size.font * 0.9)
        axes.spines[["top", "right"]].set_visible(False)
        fig.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2, frameon=False, fontsize=size.font * 0.9)
        return fig


@dataclass(frozen=True)
class Heat:
    """Numbers as colour, white at `middle`. z: (len(y), len(x)); x_title, y_title: of the axes; mark: a place on the x axis."""

    z: np.ndarray
    x: Sequence
    y: Sequence
    x_title: str
    y_title: str
    middle: float
    mark: float | None = None

    def figure(self, size: Size) -> Figure:
        fig = _figure(size, size.wide * 0.5)
        axes, z = fig.add_subplot(), np.asarray(self.z, float)
        far = float(np.nanmax(np.abs(z - self.middle), initial=0)) or 1.0
        columns, rows = np.arange(len(self.x)), np.arange(len(self.y))
        seen = axes.pcolormesh(columns, rows, z, cmap="RdBu_r", vmin=self.middle - far, vmax=self.middle + far, rasterized=True)
        fig.colorbar(seen, ax=axes)
        for set_ticks, names in ((axes.set_xticks, self.x), (axes.set_yticks, self.y)):
            every = max(1, len(names) // 8)
            shown = [_text(n if isinstance(n, str) else f"{n:g}") for n in list(names)[::every]]
            set_ticks(range(0, len(names), every), shown, fontsize=size.font * 0.8)
        if self.mark is not None:
            axes.axvline(float(np.interp(self.mark, self.x, columns)), color="#111111", linestyle=":", linewidth=size.line)
        axes.set_xlabel(_text(self.x_title), fontsize=size.font)
        axes.set_ylabel(_text(self.y_title), fontsize=size.font)
        return fig


Drawn = Curves | Grid | Bars | Heat


def as_file(drawn: Drawn, kind: str, size: str, about: dict | None = None) -> bytes:
    """A figure as a file.

    Args: kind: "pdf" or "svg". size: "report" or "slide", how large it is to be shown. about: what made it, written into the file.
    """
    buffer = io.BytesIO()
    made = " · ".join(f"{k} {v}" for k, v in (about or {}).items() if v not in ("", None))
    if kind == "pdf":
        metadata = {"Creator": "Diffusion, Step by Step", "Subject": made, "CreationDate": None}
    elif kind == "svg":
        metadata = {"Creator": "Diffusion, Step by Step", "Description": made, "Date": None}
    else:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    drawn.figure(SIZES[size]).savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()


def strip(film, columns: int, frames: int = 6) -> Grid:
    """A film's walk as a row of its frames, from noise to the picture after the last step."""
    n = len(film.frames())
    picks = sorted({round(i) for i in np.linspace(0, n - 1, min(frames, n))})
    ends = "clean" if film.finished else f"t = {film.t_prev[-1]:g}"
    captions = [f"t = {film.t[i]:g}" if i < len(film) else ends for i in picks]
    pictures = [tiled(film.frames()[i], columns) for i in picks]
    return Grid([p[None] if p.ndim == 2 else p.transpose(2, 0, 1) for p in pictures], captions, len(picks))


def _figure(size: Size, high: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure((size.wide, high), layout="constrained")


def _sharp(pixels: np.ndarray) -> np.ndarray:
    """(C, H, W) uint8 with every pixel a square of eight by eight, as imshow() wants it."""
    large = pixels.repeat(8, 1).repeat(8, 2)
    return large[0] if len(large) == 1 else large.transpose(1, 2, 0)


def _text(words: str) -> str:
    """Words that matplotlib takes as they are: a dollar sign begins no formula."""
    return words.replace("$", r"\$")
