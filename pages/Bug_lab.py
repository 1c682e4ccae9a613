from lessons_lib.ui import controls, page
from lessons_lib.ui.playground import Take, meanwhile, play_each

with page.lesson_page("bugs") as lesson:
    import inspect
    import random

    import streamlit as st

    page.idea(
        "Everyone who writes a sampler makes the same dozen mistakes, and none of them raises an error: the pictures are merely "
        "wrong. Here is a walk with **one bug** in it. Run it beside the right walk, look at the symptom, and name the bug before you "
        "open the code."
    )
    with meanwhile(lesson.slug):
        import torch

        from lessons_lib import metrics
        from lessons_lib.lessons.bugs import BUGS, Pieces, student_walk
        from lessons_lib.lessons.inpainting import preset_mask
        from lessons_lib.models.digits import condition_of, open_network
        from lessons_lib.sources import clean_picture
        from lessons_lib.ui.filmstrip import filmstrip

    titles = {b.name: b.title for b in BUGS}
    left, right = st.columns([1, 3], gap="large")
    with left:
        case = controls.slider(lesson.slug, "case", 1, len(BUGS), 1, 1, help="each case hides one bug; the order is shuffled")
        seed = controls.seed()
    order = list(BUGS)
    random.Random(7).shuffle(order)
    bug = order[case - 1]
    unet, settings = open_network("class_conditioned")
    digits = [0, 2, 3, 5, 8]
    labels = condition_of(digits)
    x_orig = torch.cat([clean_picture("digit", f"{d}a", (1, 28, 28)) for d in digits])
    mask = preset_mask("top half", 28)

    def walk(pieces):
        return student_walk(unet, settings.schedule, pieces, bug.task, labels, x_orig, mask, seed=seed)

    tasks = {
        "sample": "five digits from noise, guidance 5",
        "image_to_image": "SDEdit of five digits",
        "inpaint": "the top halves made anew",
    }
    with right:
        st.markdown(f"**Case {case}: {tasks[bug.task]}**")
        about = {"case": case, "digits": "0 2 3 5 8", "seed": seed}

        def captions(made: dict) -> list[str]:
            return [f"asked for {d}" for d in digits]

        takes = {
            "The right walk": Take({"walk": "right", **about}, lambda: walk(Pieces()), f"bugs-{bug.name}-right", captions),
            "With the bug": Take({"walk": "with the bug", **about}, lambda: walk(bug.pieces), f"bugs-{bug.name}-wrong", captions),
        }
        good, bad = play_each(lesson.slug, "mnist", takes, name=f"case{case}", stream_wide=84, side_by_side=False).values()
    if good is not None and bad is not None and good.final.shape == bad.final.shape:
        a, b = (f.final_tensor() for f in (good, bad))
        apart = metrics.mse(a, b).sqrt().mean().item()
        sharp = metrics.sharpness(a).mean().item(), metrics.sharpness(b).mean().item()
        st.caption(
            "Under each digit: what was asked for, and what the judge, a classifier, reads and how surely. "
            f"RMS between the two: {apart:.3f}. Sharpness: {sharp[0]:.3f} right, {sharp[1]:.3f} with the bug."
        )
        page.section("The walk that went wrong, step by step")
        filmstrip(bad, f"{lesson.slug}_strip_{case}", columns=5, channels=("xt",), alt=f"case {case}, with the bug", wide=560)

    page.section("Which bug is it?")
    guess = st.radio("Your verdict", list(titles), index=None, format_func=titles.get, key=f"bugs_guess_{case}")
    if guess is not None:
        if guess == bug.name:
            st.success(f"Yes: {bug.title}. {bug.why}", icon=":material/check:")
        else:
            other = next(b for b in BUGS if b.name == guess)
            st.warning(
                f"Not this one: with “{other.title}” you would see {other.symptom}. Here: {bug.symptom}.", icon=":material/close:"
            )
        if guess == bug.name or st.toggle("Show the answer", key=f"bugs_answer_{case}"):
            st.markdown(f"**{bug.title}.** {bug.why}")
            pieces = Pieces()
            for piece, wrong in bug.wrong.items():
                one, two = st.columns(2)
                one.caption("wrong")
                one.code(inspect.getsource(wrong), language="python")
                two.caption("right")
                two.code(inspect.getsource(getattr(pieces, piece)), language="python")
    page.show_source(student_walk)
    page.things_to_try(lesson, [(f"Case {i}", {"case": i}) for i in range(1, len(BUGS) + 1) if i != case][:4])
