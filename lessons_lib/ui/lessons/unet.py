"""The UNet on the page: its drawing from measured shapes, its feature maps, and what a condition does to every channel."""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence

import numpy as np
import streamlit as st
from PIL import Image

from lessons_lib.files.pictures import picture_of
from lessons_lib.ui import controls, pictures, save
from lessons_lib.ui.components import component

# rows of the U: the block on the way down, the block on the way up, whether a skip connection joins them
LEVELS = (("conv_in", "conv_out", True), ("down1", "up2", True), ("down2", "up1", True), ("flatten", "unflatten", False))
ENTRIES = {"up1": ("class1", "time1"), "up2": ("class2", "time2")}


def short(n: float) -> str:
    """803200 -> "803 k"."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n:.0f}"


def _text(x: float, y: float, words: str, more: str = "") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="middle" {more}>{words}</text>'


def _box(name: str, x: float, y: float, wide: float, lines: Sequence[str], strength: float, chosen: str) -> str:
    """A block that can be clicked: its name and lines of figures, shaded by its share of the work."""
    edge = 'stroke="#d55e00" stroke-width="3"' if name == chosen else 'stroke="currentColor" stroke-opacity="0.5"'
    high = 14 * (len(lines) + 1) + (14 if lines else 6)
    rect = f'<rect x="{x}" y="{y}" width="{wide}" height="{high}" rx="6" fill="#3b4cc0" fill-opacity="{strength:.2f}" {edge}/>'
    words = [
        _text(x + wide / 2, y + 17 + 15 * i - (0 if lines else 3), line, 'font-weight="700"' if i == 0 else "")
        for i, line in enumerate((name, *lines))
    ]
    return f'<g class="block" data-name="{name}">{rect}{"".join(words)}</g>'


def _arrow(x1: float, y1: float, x2: float, y2: float, more: str = "") -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="currentColor" marker-end="url(#head)" {more}/>'


def drawing(blocks: Sequence, chosen: str, cut: Collection[str] = ()) -> str:
    """The U as SVG, from inside.architecture(): shapes, parameters and multiply-adds as they were measured."""
    by_name = {b.name: b for b in blocks}
    most = max(b.multiply_adds for b in blocks)

    def block(name: str, x: float, y: float) -> str:
        b = by_name[name]
        lines = " x ".join(map(str, b.gives)), f"{short(b.parameters)} par, {short(b.multiply_adds)} MA"
        return _box(name, x, y, 132, lines, 0.06 + 0.5 * b.multiply_adds / most, chosen)

    left, right, step, top = 8, 240, 94, 84  # the block on the way down, on the way up, between levels, first level
    out = [_text(74, 36, "input"), _text(74, 51, "1 x 28 x 28"), _arrow(74, 57, 74, top - 3), block("out", right, 4)]
    out.append(_arrow(306, top, 306, 63))
    for i, (down, up, skip) in enumerate(LEVELS):
        y = top + step * i
        gone = down in cut
        style = 'stroke-dasharray="4 5" stroke-opacity="0.6"' if gone else 'stroke-width="1.6"'
        out += [block(down, left, y), block(up, right, y), _arrow(left + 132, y + 28, right - 3, y + 28, style)]
        if skip:
            out.append(_text(190, y + 22, "cut" if gone else "skip"))
        if i < len(LEVELS) - 1:
            out += [_arrow(74, y + 56, 74, y + step - 3), _arrow(306, y + step, 306, y + 59)]
            for k, name in enumerate(n for n in ENTRIES.get(up, ()) if n in by_name):
                sign = "&#215;" if name.startswith("class") else "+"
                x = 170 + 66 * k
                out += [_box(name, x, y + 64, 46, (), 0.06, chosen), _text(x + 55, y + 78, sign, 'fill="#d55e00"')]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 380 {top + step * (len(LEVELS) - 1) + 62}" font-size="11.5" '
        f'font-family="sans-serif" fill="currentColor" role="img" aria-label="The UNet with {chosen} marked">'
        '<defs><marker id="head" markerWidth="7" markerHeight="7" refX="6" refY="3.5" orient="auto">'
        f'<path d="M0,0 L7,3.5 L0,7 z" fill="currentColor"/></marker></defs>{"".join(out)}</svg>'
    )


_DRAWING = component("unet_drawing")


def show_drawing(page: str, blocks: Sequence, chosen: str, cut: Collection[str] = ()) -> None:
    """Draw the U; a click on a block chooses it in the page's control `block`, which also works by keyboard."""
    svg = drawing(blocks, chosen, cut)
    url = "data:image/svg+xml;base64," + base64.b64encode(svg.replace("currentColor", "#777").encode()).decode()
    save.note("picture", url, caption="par: parameters, MA: multiply-adds", alt=f"The UNet with {chosen} marked", width=560)
    key = f"{page}_drawing"

    def choose() -> None:
        name = st.session_state[key].block
        if name in [b.name for b in blocks]:
            st.session_state[controls.key_of(page, "block")] = name

    _DRAWING(key=key, data={"svg": svg}, on_block_change=choose)


def operations_drawing(block) -> str:
    """What happens in a block, layer under layer, as SVG: each operation and the shape that it gives."""
    step, wide = 34, 330
    rows = [("takes", block.takes), *block.operations]
    out = []
    for i, (what, shape) in enumerate(rows):
        y = 4 + step * i
        if i:
            strength = 0.28 if what.startswith(("Conv", "Linear")) else 0.06
            box = f'width="{wide - 100}" height="24" rx="6" fill="#3b4cc0" fill-opacity="{strength}" stroke="currentColor"'
            out.append(f'<rect x="2" y="{y}" {box} stroke-opacity="0.5"/>')
            out.append(_arrow((wide - 100) / 2, y - 10, (wide - 100) / 2, y - 1))
        out.append(_text((wide - 100) / 2 + 2, y + 16, what))
        out.append(f'<text x="{wide - 90}" y="{y + 16}">{" x ".join(map(str, shape))}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{step * len(rows)}" viewBox="0 0 {wide} {step * len(rows)}" '
        'font-size="12" font-family="sans-serif" fill="currentColor"><defs><marker id="head" markerWidth="7" markerHeight="7" '
        f'refX="6" refY="3.5" orient="auto"><path d="M0,0 L7,3.5 L0,7 z" fill="currentColor"/></marker></defs>{"".join(out)}</svg>'
    )


def show_operations(block) -> None:
    """Draw what happens in a block. The grey of the words can be read on light and on dark."""
    svg = operations_drawing(block).replace("currentColor", "#7c7f8e")
    url = "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
    steps = ", ".join(what for what, _ in block.operations)
    caption, alt = f"{block.name}, a {block.kind}", f"What happens in {block.name}: {steps}"
    save.note("picture", url, caption=caption, alt=alt, width=330)
    st.image(url, caption=caption, alt=alt, width=330)


def map_picture(maps: np.ndarray, limit: int = 64) -> Image.Image:
    """(C, H, W) activations as one picture: amber above zero, blue below, black at zero; at most `limit` of them.

    The scale is the block's own: full colour at the 99.5th percentile of the absolute values shown.
    """
    maps = maps[:limit]
    full = max(np.percentile(np.abs(maps), 99.5), 1e-8)
    v = np.clip(maps / full, -1, 1)[:, None]
    plus, minus = np.clip(v, 0, 1), np.clip(-v, 0, 1)
    rgb = plus * np.array([255, 190, 70]).reshape(1, 3, 1, 1) + minus * np.array([70, 150, 255]).reshape(1, 3, 1, 1)
    return picture_of(rgb.round().astype(np.uint8), 8 if maps.shape[-1] > 7 else 16)


def feature_maps(name: str, maps: np.ndarray, alt: str, limit: int = 64) -> None:
    """A block's output (C, H, W), channel by channel, at most `limit` of them drawn."""
    shown = min(len(maps), limit)
    shape = " x ".join(map(str, maps.shape))
    each = "every square is a channel" if maps.shape[-1] == 1 else f"channels 0 to {shown - 1} of {len(maps)}"
    caption = f"{name}: {shape}; {each}; from {maps.min():.2f} to {maps.max():.2f}; amber above 0, blue below"
    pictures.show(map_picture(maps, limit), f"feature maps of {name}, {alt}", caption, wide=480)
