"""What a hand drew, as strokes: checked, because they come from a browser, and drawn by Pillow as the browser draws them.

A stroke is a list: tool, colour, width, x0, y0, x1, y1, ... Lengths are thousandths of the paper's side, the corner at the top
left is (0, 0). A "pen" and an "eraser" follow their points; a "rectangle" spans its first point and its last, filled.
"""

from __future__ import annotations

import re

from PIL import Image, ImageDraw

from lessons_lib.errors import LessonsError

Stroke = list  # [str, str, int, int, int, ...]
TOOLS = ("pen", "eraser", "rectangle")
MAX_STROKES, MAX_POINTS = 500, 20_000
_FINE = 512  # pixels a side; the picture that is asked for is made from it by taking means

PRESETS = {
    "house": [
        ["rectangle", "#fcbf49", 40, 250, 480, 750, 900], ["pen", "#d62828", 60, 200, 480, 500, 180, 800, 480, 200, 480],
        ["rectangle", "#7f4f24", 40, 430, 650, 570, 900], ["rectangle", "#1d6fd6", 40, 610, 560, 700, 650],
    ],
    "face": [
        ["pen", "#fcbf49", 640, 500, 500, 501, 501], ["pen", "#111111", 90, 380, 420, 381, 421], ["pen", "#111111", 90, 620, 420, 621, 421],
        ["pen", "#111111", 50, 330, 600, 400, 680, 500, 710, 600, 680, 670, 600],
    ],
    "tree": [
        ["rectangle", "#7f4f24", 40, 450, 600, 550, 930], ["pen", "#2a9d3f", 330, 500, 300, 501, 301], ["pen", "#2a9d3f", 300, 350, 480, 650, 480],
    ],
}  # fmt: skip
"""Drawings to begin with, by their names, for who draws by keyboard or with a heavy hand."""
DIGIT_PRESETS = {
    "4": [["pen", "#ffffff", 90, 570, 820, 570, 180, 270, 620, 740, 620]],
    "7": [["pen", "#ffffff", 90, 280, 230, 720, 230, 450, 830]],
    "8": [
        ["pen", "#ffffff", 85, 500, 490, 380, 420, 350, 320, 400, 230, 500, 200, 600, 230, 650, 320, 620, 420, 500, 490, 360, 570, 330, 680,
         380, 780, 500, 820, 620, 780, 670, 680, 640, 570, 500, 490],
    ],
}  # fmt: skip


def checked(strokes: object) -> list[Stroke]:
    """The strokes, if that is what they are. Raises LessonsError in one sentence for anything else."""
    if not isinstance(strokes, list) or not all(map(_is_stroke, strokes)):
        raise LessonsError("This drawing cannot be read: clear it, and draw again.")
    if len(strokes) > MAX_STROKES or sum(map(len, strokes)) > 2 * MAX_POINTS:
        raise LessonsError("This drawing has too many strokes: clear it, and draw again.")
    return [[s[0], s[1], *map(round, s[2:])] for s in strokes]


def _is_stroke(stroke: object) -> bool:
    if not isinstance(stroke, list) or len(stroke) < 5 or len(stroke) % 2 == 0 or stroke[0] not in TOOLS:
        return False
    numbers = all(type(v) in (int, float) and -2000 <= v <= 3000 for v in stroke[2:])
    return numbers and isinstance(stroke[1], str) and re.fullmatch("#[0-9a-f]{6}", stroke[1]) is not None


def drawn(strokes: list[Stroke]) -> Image.Image:
    """RGBA of 512 x 512 pixels, transparent where nothing is drawn."""
    layer = Image.new("RGBA", (_FINE, _FINE))
    draw = ImageDraw.Draw(layer)
    for tool, colour, width, *at in strokes:
        points = [(x * _FINE / 1000, y * _FINE / 1000) for x, y in zip(at[::2], at[1::2], strict=True)]
        ink = (0, 0, 0, 0) if tool == "eraser" else colour
        if tool == "rectangle":
            (x0, y0), (x1, y1) = points[0], points[-1]
            draw.rectangle((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), ink)
            continue
        r = max(width, 1) * _FINE / 2000
        draw.line(points, ink, round(2 * r))
        for x, y in points:
            draw.ellipse((x - r, y - r, x + r, y + r), ink)
    return layer
