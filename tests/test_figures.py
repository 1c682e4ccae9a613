"""Vector figures hold what the page shows, at the size asked for, and matplotlib comes only when one is made."""

import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from benchmarks.rerun import film_of
from lessons_lib.files.figures import SIZES, Curves, Grid, as_file, strip
from lessons_lib.ui.plots import log_ticks

CURVES = Curves(
    {"right": ([1, 2, 5], [0.5, None, 0.9]), "costs $5": ([1, 2, 5], [0.1, 0.2, 0.3])},
    "steps",
    "share",
    log_x=True,
    markers=True,
    mark=2,
    mark_label="here",
    level=0.9,
    level_label="90%",
)


def test_curves_hold_the_numbers_and_leave_out_what_is_missing():
    fig = CURVES.figure(SIZES["report"])
    (axes,) = fig.axes
    right, costs = axes.lines[:2]
    assert right.get_xydata().tolist() == [[1, 0.5], [5, 0.9]]
    assert costs.get_ydata().tolist() == [0.1, 0.2, 0.3]
    assert {right.get_linestyle(), right.get_color()} != {costs.get_linestyle(), costs.get_color()}
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xscale(), axes.get_yscale()) == ("steps", "share", "log", "linear")
    assert [t.get_text() for t in axes.get_xticklabels()] == ["1", "2", "5"]
    assert [t.get_text() for t in axes.texts] == ["here", "90%"]


@pytest.mark.parametrize("size", SIZES)
def test_files_are_as_wide_as_asked_and_say_what_made_them(size):
    root = ElementTree.fromstring(as_file(CURVES, "svg", size, {"seed": 180, "prompt": ""}))
    assert root.attrib["width"] == f"{72 * SIZES[size].wide:g}pt"
    assert "seed 180" in ElementTree.tostring(root, encoding="unicode")
    pdf = as_file(CURVES, "pdf", size, {"seed": 180})
    assert pdf.startswith(b"%PDF-")
    assert b"seed 180" in pdf
    assert f"/MediaBox [ 0 0 {72 * SIZES[size].wide:g} ".encode() in pdf
    with pytest.raises(ValueError, match="pdf, svg"):
        as_file(CURVES, "png", size)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_in_a_grid_are_sharp_squares_of_their_own_pixels(channels):
    pictures = np.random.default_rng(0).integers(0, 256, (5, channels, 4, 4), np.uint8)
    fig = Grid(pictures, ["a", "b", "c", "d", "e"], 3).figure(SIZES["slide"])
    shown = [axes for axes in fig.axes if axes.images]
    assert [axes.get_xlabel() for axes in shown] == ["a", "b", "c", "d", "e"]
    for axes, picture in zip(shown, pictures, strict=True):
        array = np.asarray(axes.images[0].get_array()).reshape(32, 32, channels)
        assert np.array_equal(array[4::8, 4::8].transpose(2, 0, 1), picture)
        assert np.array_equal(array[0::8], array[7::8])
    assert as_file(Grid(pictures, (), 3), "pdf", "report")


def test_a_walk_as_a_strip_goes_from_noise_to_the_clean_picture():
    film = film_of(4, {}, steps=20)
    drawn = strip(film, columns=2, frames=5)
    assert drawn.captions == ["t = 19", "t = 14", "t = 9", "t = 4", "clean"]
    assert drawn.pictures[0].shape == (1, 57, 57)
    assert np.array_equal(drawn.pictures[-1][:, 29:, :28], film.final[2])
    film.total = 40
    assert strip(film, 2).captions[-1] == "t = -1"


def test_ticks_of_a_logarithmic_axis_are_round_and_cover_the_values():
    assert log_ticks([0.3, None, 0.9]) == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 2, 3, 4, 5, 6, 8])
    assert log_ticks([1e-4, 1]) == pytest.approx([1e-4, 1e-3, 1e-2, 0.1, 1])


def page():
    from lessons_lib.ui.plots import line_plot, measured

    def draw(rows, key):
        line_plot({"a": (range(len(rows)), [r["a"] for r in rows])}, "x", "y", key)

    line_plot({"a": ([1, 2], [3, 4])}, "x", "y", "plot")
    measured("nothing", "mnist", lambda: iter([{"a": 1}, {"a": 2}]), draw, minutes="no time")


def test_a_plot_offers_its_figure_when_the_button_is_opened():
    app = AppTest.from_function(page, default_timeout=60).run()
    assert not app.exception
    assert not app.get("download_button")
    app.session_state["plot_figure_offer"] = True
    app.run()
    assert not app.exception
    assert [b.label for b in app.get("download_button")] == ["PDF", "SVG"]
    app.button(key="nothing_measure_mnist_now").click().run()
    assert not app.exception
    assert len(app.get("plotly_chart")) == 2


def test_matplotlib_comes_when_a_figure_is_made():
    code = "import sys, lessons_lib.files.figures, lessons_lib.ui.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
