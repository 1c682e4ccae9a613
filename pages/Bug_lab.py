"""Bug lab: walks with one mistake in them, to be named by what their pictures show."""

from lessons_lib.ui import controls, page, pictures, stage
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.playground import Take, meanwhile, play_each

with page.lesson_page("bugs") as lesson:
    import streamlit as st

    stage.begin()
    place = st.empty()
    with meanwhile(lesson.slug):
        import numpy as np

        from lessons_lib.lessons import bugs
        from lessons_lib.maths import metrics
        from lessons_lib.maths.images import to_uint8
        from lessons_lib.ui.lessons import bugs as verdicts

    with place.container():
        page.idea(
            f"Mistakes in a sampler raise no error: the pictures are merely wrong. Here are {len(bugs.CASES)} walks with **one bug** "
            "each, the easiest first. Look at the pictures beside those of the right walk, then name the bug; only then see its code."
        )
    settings_place, picture = stage.columns(wide=True)
    with settings_place:
        number = int(controls.select(lesson.slug, "case", [str(i + 1) for i in range(len(bugs.CASES))], help="the easiest first"))
        with stage.more():
            seed = controls.seed()
        score = st.empty()
    case = bugs.CASES[number - 1]
    with picture:
        st.markdown(f"**Case {number}: {case.task_in_words}**")
        if case.task != "sample":
            st.markdown("The originals")
            pictures.in_a_row(to_uint8(bugs.originals()).numpy(), [f"a {d}" for d in bugs.ORIGINALS], "the originals", wide=72)
        takes = {}
        for title, name, bug in (("The right walk", case.right_name, False), ("With the bug", case.wrong_name, True)):
            about = bugs.about(case, bug=bug, seed=seed)
            takes[title] = Take(
                about, lambda about=about: bugs.walk(case, about), name, lambda _: [f"asked for {d}" for d in case.asked]
            )
        good, bad = play_each(lesson.slug, "mnist", takes, name=f"case{number}", stream_wide=72, side_by_side=False).values()
        if good is not None and bad is not None and good.final.shape == bad.final.shape:
            st.markdown("**The difference, five times**")
            five = (128 + 5 * (bad.final.astype(int) - good.final)).clip(0, 255).astype(np.uint8)
            pictures.in_a_row(five, [f"asked for {d}" for d in case.asked], "with the bug less right, five times", wide=72)
            sharp = [metrics.sharpness(f.final_tensor()).mean().item() for f in (good, bad)]
            ink = [f.final.mean() / 255 for f in (good, bad)]
            page.caption(
                "Grey: no difference; white: brighter with the bug. "
                f"Sharpness: {sharp[0]:.3f} right, {sharp[1]:.3f} with the bug. Ink, the mean of all pixels from 0 to 1: "
                f"{ink[0]:.3f} and {ink[1]:.3f}. The judge that reads the digits must always choose one, even of noise."
            )
    with settings_place:
        verdicts.verdict(case, number)
        score.caption(verdicts.score())
    following = number % len(bugs.CASES) + 1
    tabs = stage.below(lesson.slug, "Things to try", bad is not None and "The walk that went wrong, step by step", "Code")
    with tabs["Things to try"]:
        # no walk: its pictures are kept
        page.things_to_try(lesson, [(f"The next one: case {following}", {"case": following}, "kept")], titled=False)
    if bad is not None:
        with tabs["The walk that went wrong, step by step"]:
            alt = f"case {number}, with the bug"
            filmstrip(bad, f"{lesson.slug}_strip_{number}", columns=5, channels=("xt",), alt=alt, wide=560)
    with tabs["Code"]:
        page.show_source(bugs.student_walk, titled=False)
