"""The perfect denoiser: what would be best for the training pictures alone, beside the network; and who copies."""

from lessons_lib.ui import controls, digits, page, pictures, plots, stage
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.playground import meanwhile, play

NETWORK, COLUMNS = "time_conditioned", 6

with page.lesson_page("perfect") as lesson:
    import streamlit as st

    stage.begin()
    with stage.idea(
        "The smallest squared error on the training digits needs no network: it is a **mean of all of them**, each weighted by how "
        "likely it is to have become `x_t`. A walk by that ends in a training digit, to the pixel. A network draws *new* digits "
        "because it misses this optimum."
    ):
        page.question(
            lesson.slug,
            "On a test digit under little noise, whose guess has the smaller error?",
            ["the network's", "the perfect denoiser's", "both the same"],
            "It is perfect for the training digits only: of a new digit it shows the nearest old one, however little noise there is. "
            "The network keeps the strokes that it sees.",
            right="the network's",
        )

    settings, picture = stage.columns(wide=controls.peek(lesson.slug, "input") == "your drawing")
    with settings:
        with stage.live():
            t = int(controls.slider(lesson.slug, "t", 0, 299, 200, 1))
            x_uint8, name = digits.digit_in_view(lesson.slug)
        with stage.needs_run():
            steps = controls.select_slider(lesson.slug, "num_inference_steps", (10, 20, 30, 50, 100, 300), 30)
        with stage.more():
            seed = controls.seed()
    with picture, meanwhile(lesson.slug, "mnist", columns=COLUMNS):
        import torch

        from lessons_lib.lessons import perfect
        from lessons_lib.maths import metrics
        from lessons_lib.maths.images import from_uint8, to_uint8
        from lessons_lib.maths.perfect import Perfect, nearest

    film = None
    with picture:
        shipped = digits.ships(NETWORK)
        if shipped:
            x0 = from_uint8(torch.from_numpy(x_uint8))
            with st.spinner("reading 5,000 training digits ..."):
                known = perfect.training_pictures()[0]
                seen = perfect.look(x0, t, seed)
            off = [metrics.mse(guess, x0).item() for guess in (seen.network, seen.perfect)]
            row = torch.cat([x0, seen.xt, seen.network, seen.perfect]).clamp(-1, 1)
            captions = [name, f"x_t, t = {t}", f"the network: MSE {off[0]:.3f}", f"the perfect one: MSE {off[1]:.3f}"]
            pictures.in_a_row(to_uint8(row).numpy(), captions, f"{name}, seed {seed}", wide=112)
            captions = [f"weight: {w:.1%}" for w in seen.weights]
            pictures.in_a_row(to_uint8(seen.heaviest).numpy(), captions, "a training digit", wide=56)
            page.caption(
                f"In the second row the heaviest three of {len(known):,} training digits. About {seen.effective:.3g} share the weight (exp of its "
                "entropy)."
            )
            about = perfect.about(num_inference_steps=steps, seed=seed)
            film = play(
                lesson.slug,
                "mnist",
                about,
                lambda: perfect.walk(about),
                each=COLUMNS,
                stream_wide=364,
                captions=lambda about: list(perfect.ROWS),
                finals=lambda film: list(perfect.ROWS),
            )

    tabs = stage.below(
        lesson.slug,
        "Things to try",
        film and "Who copies?",
        film and "Every step",
        shipped and "Perfect for whom?",
        "The equation",
        "Code",
    )
    with tabs["Things to try"]:
        page.things_to_try(
            lesson,
            [
                ("Little noise: one training digit has all the weight", {"t": 60}),
                ("Pure noise: a hundred share it, and both guesses are a blur", {"t": 299}),
                ("Draw what is no digit: the perfect one answers with a digit", {"input": "your drawing"}),
                ("The course's full walk of 300 steps", {"num_inference_steps": 300}),
                ("Another noise: other training digits", {"seed": 7}),
            ],
            titled=False,
        )
    if film is not None:
        with tabs["Who copies?"]:
            which, far = film.once("nearest", lambda: nearest(film.final_tensor(), known))
            near = to_uint8(known[which]).numpy()
            for i, row in enumerate(perfect.ROWS):
                part = slice(i * COLUMNS, (i + 1) * COLUMNS)
                st.markdown(f"The training digit nearest to each of the six by **{row}**, and how far off it is")
                captions = [f"{d:.3f}" for d in far[part].tolist()]
                pictures.in_a_row(near[part], captions, f"nearest training digit, {row}", wide=56)

            def draw_copies(rows: list[dict], key: str) -> None:
                digits.table(
                    [
                        {
                            "pictures": r["pictures"],
                            "nearest training digit, mean": f"{r['nearest']:.3f}",
                            "farthest": f"{r['farthest']:.3f}",
                        }
                        for r in rows
                    ]
                )

            plots.measured("perfect_copies", "mnist", perfect.copies, draw_copies, minutes="about two minutes")
            page.caption(
                "RMS distance, pixels in [-1, 1], sixty pictures a row. The network's samples are as far from the 5,000 training digits as "
                "test digits are, or farther: they are no copies of these. (It was trained on 55,000 more, which are not looked through.)"
            )
        with tabs["Every step"]:
            filmstrip(film, f"{lesson.slug}_strip", columns=COLUMNS, alt=pictures.describe(film.about))
            pictures.downloads(film, f"perfect-{seed}", columns=COLUMNS)
    if shipped:
        with tabs["Perfect for whom?"]:

            def draw(rows: list[dict], key: str) -> None:
                lines = {k: ([r["t"] for r in rows], [r[k] for r in rows]) for k in rows[0] if k not in ("t", "effective")}
                plots.line_plot(lines, "t", "mean squared error of x0_hat", key, markers=True, mark=t, mark_label=f"t = {t}")

            plots.measured("perfect", "mnist", perfect.over_t, draw, minutes="ten to thirty seconds")
            page.caption(
                "A hundred training digits and a hundred test digits a point, pixels in [-1, 1]. On the training digits nothing has a "
                "smaller error than the perfect denoiser. On test digits the network's is smaller at all but the noisiest t. And the "
                "network errs on both alike: it has not learned its training digits by heart."
            )
    with tabs["The equation"]:
        page.equation(
            r"\hat x_0^*(x_t,t)=\sum_i w_i\,x_i\qquad w_i\propto"
            r"\exp\!\left(-\frac{\|x_t-\sqrt{\bar\alpha_t}\,x_i\|^2}{2(1-\bar\alpha_t)}\right)"
        )
        page.caption(
            "The x_i are all training digits, and the weights add up to 1 (Karras et al. 2022, eq. 57). The exponent is divided by the "
            "variance of the noise: the less noise, the more the nearest digit has of the weight."
        )
    with tabs["Code"]:
        page.show_source(Perfect, nearest, perfect.walk, titled=False)
