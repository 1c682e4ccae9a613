"""A printable worksheet of one lesson: its pictures as they are set, and its questions with room to write. Without torch."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence

from PIL import Image

from lessons_lib.questions import Question

A4 = (8.27, 11.69)  # inches
PICTURES = 8
BLACK, GREY = "#000000", "#555555"


def worksheet(title: str, address: str, pictures: Sequence[tuple[bytes, str]], questions: Sequence[Question]) -> bytes:
    """One page of A4 as PDF.

    Args: pictures: (PNG, caption) each; the first eight are printed. address: of the view, for whoever wants to see it move.
    """
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.figure import Figure

    figure = Figure(figsize=A4)
    FigureCanvasPdf(figure)

    def write(y: float, text: str, size: float = 10, *, x: float = 0.08, colour: str = BLACK, wide: int = 95, **how) -> float:
        lines = textwrap.wrap(text, wide) or [""]
        plain = "\n".join(lines).replace("$", r"\$")
        figure.text(x, y, plain, size=size, color=colour, va="top", **how)
        return y - len(lines) * size * 1.35 / 72 / A4[1]

    y = write(0.955, title, 18, weight="bold", wide=60)
    figure.text(0.92, 0.955, "Name: ______________________", size=10, va="top", ha="right")
    y = write(y - 0.01, address, 7, colour=GREY, wide=140) - 0.01
    shown = list(pictures)[:PICTURES]
    across = min(4, max(len(shown), 1))
    side = 0.84 / across - 0.02
    for i, (png, caption) in enumerate(shown):
        row, column = divmod(i, across)
        tall = side * A4[0] / A4[1]
        left, bottom = 0.08 + column * (side + 0.02), y - tall - row * (tall + 0.055)
        axes = figure.add_axes((left, bottom, side, tall))
        with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
            axes.imshow(picture.convert("RGB"), interpolation="nearest")
        axes.set_axis_off()
        write(bottom - 0.004, caption[:110], 7, x=left, colour=GREY, wide=int(26 * 4 / across))
    rows = -(-len(shown) // across)
    y -= rows * (side * A4[0] / A4[1] + 0.055)
    for number, question in enumerate(questions, 1):
        y = write(y, f"{number}. {question.text}", 11, weight="bold", wide=80)
        for option in question.options:
            y = write(y, f"\u25a1  {option}", 10, x=0.1)
        y = write(y - 0.004, "because " + "_" * 78, 10, x=0.1, colour=GREY) - 0.02
    write(max(y, 0.05), "What surprised you? " + "_" * 70, 10)
    out = io.BytesIO()
    figure.savefig(out, format="pdf", metadata={"Title": title, "CreationDate": None})
    return out.getvalue()
