"""The perfect denoiser: what would be best for the training pictures alone, beside the network; and who copies."""

from lessons_lib.ui import controls, digits, page, pictures, plots
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.playground import meanwhile, play

NETWORK, COLUMNS = "time_conditioned", 6

with page.lesson_page("perfect") as lesson:
    import streamlit as st

    page.idea(
        "Training asks for the smallest squared error on the training digits. The answer that has it needs no network: a **mean of "
        "all training digits**, each weighted by how likely it is to have become `x_t`. A walk by that perfect denoiser ends in a "
        "training digit, to the pixel. That networks draw *new* digits is because they miss this optimum."
    )
    page.question(
        lesson.slug,
        "On a test digit under little noise, whose guess has the smaller error?",
        ["the network's", "the perfect denoiser's", "both the same"],
        "It is perfect for the training digits only: of a new digit it shows the nearest old one, however little noise there is. The "
        "network keeps the strokes that it sees.",
        right="the network's",
    )

    left, right = digits.columns(lesson.slug)
    with left:
        x_uint8, name = digits.digit_in_view(lesson.slug)
        t = int(controls.slider(lesson.slug, "t", 0, 299, 200, 1))
        seed = controls.seed()
    with right, meanwhile(lesson.slug, "mnist", columns=COLUMNS):
        from lessons_lib.images import from_uint8, to_uint8
        from lessons_lib.lessons import perfect
        from lessons_lib.perfect import Perfect, nearest

    with right:
        shipped = digits.ships(NETWORK)
    if shipped:
        import torch

        with right:
            x0 = from_uint8(torch.from_numpy(x_uint8))
            with st.spinner("reading 5,000 training digits ..."):
                of = perfect.look(x0, t, seed)
            off = [((guess - x0) ** 2).mean().item() for guess in (of.network, of.perfect)]
            row = torch.cat([x0, of.xt, of.network, of.perfect]).clamp(-1, 1)
            captions = [name, f"x_t, t = {t}", f"the network: MSE {off[0]:.3f}", f"the perfect: MSE {off[1]:.3f}"]
            pictures.in_a_row(to_uint8(row).numpy(), captions, f"{name}, seed {seed}", wide=112)
            captions = [f"weight: {w:.1%}" for w in of.weights]
            pictures.in_a_row(to_uint8(of.heaviest).numpy(), captions, "a training digit", wide=84)
            st.caption(
                f"Below: the three heaviest of {len(perfect.training_pictures()[0]):,} training digits. About {of.effective:.3g} share the "
                "weight (exp of its entropy). MSE is of pixels in [-1, 1]."
            )

        page.section("A walk by each")
        steps = controls.select_slider(lesson.slug, "num_inference_steps", (10, 20, 30, 50, 100, 300), 30)
        about = perfect.about(num_inference_steps=steps, seed=seed)
        film = play(
            lesson.slug,
            "mnist",
            about,
            lambda: perfect.walk(about),
            each=COLUMNS,
            stream_wide=540,
            captions=lambda about: list(perfect.ROWS),
            finals=lambda film: list(perfect.ROWS),
        )
        if film is not None:
            which, off = film.once("nearest", lambda: nearest(film.final_tensor(), perfect.training_pictures()[0]))
            st.markdown("**The nearest training digit of each**, and how far off it is (RMS, pixels in [-1, 1])")
            near = to_uint8(perfect.training_pictures()[0][which]).numpy()
            for i, row in enumerate(perfect.ROWS):
                part = slice(i * COLUMNS, (i + 1) * COLUMNS)
                far = [f"{d:.3f}" for d in off[part].tolist()]
                pictures.in_a_row(near[part], far, f"nearest training digit, {row}", wide=84)
            st.caption(
                "Upper row: of the network's six. Lower row: of the perfect denoiser's, which are training digits. Both began with the "
                "same noise, and had the same on the way."
            )
            page.section("Every step")
            filmstrip(film, f"{lesson.slug}_strip", columns=COLUMNS, alt=pictures.describe(film.about))
            pictures.downloads(film, f"perfect-{seed}", columns=COLUMNS)

        page.section("Perfect for whom?")

        def draw(rows: list[dict], key: str) -> None:
            lines = {k: ([r["t"] for r in rows], [r[k] for r in rows]) for k in rows[0] if k not in ("t", "effective")}
            plots.line_plot(lines, "t", "mean squared error of x0_hat", key, markers=True, mark=t, mark_label=f"t = {t}")

        plots.measured("perfect", "mnist", perfect.over_t, draw, minutes="ten to thirty seconds")
        st.caption(
            "A hundred training digits and a hundred test digits a point. On the training digits nothing has a smaller error than the "
            "perfect denoiser. On test digits the network's is smaller at all but the noisiest t. And the network errs on both alike: "
            "it has not learned its training digits by heart."
        )

        def draw_copies(rows: list[dict], key: str) -> None:
            digits.table(
                [
                    {"": r["pictures"], "nearest training digit, mean": f"{r['nearest']:.3f}", "farthest": f"{r['farthest']:.3f}"}
                    for r in rows
                ]
            )

        plots.measured("perfect_copies", "mnist", perfect.copies, draw_copies, minutes="about two minutes")
        st.caption(
            "RMS distance to the nearest of the 5,000 training digits, sixty pictures a row. The network's samples are as far from them "
            "as test digits are, or farther: they are no copies of these. (It was trained on 55,000 more, which are not looked through.)"
        )
    page.equation(
        r"\hat x_0^*(x_t,t)=\sum_i w_i\,x_i\qquad w_i\propto\exp\!\left(-\frac{\|x_t-\sqrt{\bar\alpha_t}\,x_i\|^2}{2(1-\bar\alpha_t)}\right)"
    )
    page.show_source(Perfect, nearest, perfect.walk)
    page.things_to_try(
        lesson,
        [
            ("Little noise: one training digit has all the weight", {"t": 60}),
            ("Pure noise: a hundred share it, and both guesses are a blur", {"t": 299}),
            ("Draw what is no digit: the perfect one answers with a digit", {"input": "your drawing"}),
            ("The course's full walk of 300 steps", {"num_inference_steps": 300}),
            ("Another noise: other training digits", {"seed": 7}),
        ],
    )
