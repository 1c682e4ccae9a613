"""The average digit: a slider over how many are averaged, and what that costs in sharpness and buys in error."""

from lessons_lib.ui import controls, page, pictures, plots
from lessons_lib.ui.playground import meanwhile

with page.lesson_page("average") as lesson:
    import streamlit as st

    page.idea(
        "Guess a digit without looking. Whatever you draw is wrong for most of them, so the guess with the smallest mean squared "
        "error is the **average** of all digits: a blur that is no digit at all."
    )
    with meanwhile("average", "mnist"):
        from lessons_lib.lessons import average
        from lessons_lib.maths.images import from_unit, to_uint8

    n = int(controls.slider(lesson.slug, "n", 1, 100, average.about()["n"], 1, help="how many test digits are averaged"))
    picture = to_uint8(from_unit(average.average(n))).numpy()
    pictures.in_a_row(picture, [f"mean of {n}"], "the average digit", wide=280)

    page.section("What it buys, and costs")

    def draw(rows: list[dict], key: str) -> None:
        lines = {k: ([r["n"] for r in rows], [r[k] for r in rows]) for k in ("mse", "sharpness")}
        plots.line_plot(lines, "digits averaged", "of pixels in [0, 1]", key, mark=n, mark_label=f"n = {n}", markers=True)

    plots.measured("average", "mnist", average.over_n, draw, minutes="a second")
    st.caption("The more digits, the smaller the error and the blurrier the guess.")
    page.show_source(average.average)
    page.things_to_try(lesson, [("One digit alone", {"n": 1}), ("A hundred", {"n": 100})])
