"""Out of its depth: the one-step denoiser at noise it was never trained on."""

from lessons_lib.ui import controls, digits, page, pictures, plots, stage

with page.lesson_page("out_of_its_depth") as lesson:
    import streamlit as st

    stage.begin()
    with stage.idea(
        "The one-step denoiser was trained at `sigma = 0.5` and never saw another. Give it less noise and it still scrubs; give it more "
        "and it meets pictures unlike any it was scored on. So diffusion models are told *how noisy* a picture is: the next lesson."
    ):
        page.question(
            lesson.slug,
            "A network that only ever saw pure noise, scored by squared error: what does it paint?",
            ["nothing, black", "a different digit each time", "one blurry mean of all digits"],
            "Where the input says nothing about the answer, no guess is nearer to all digits than their average. Under *Pure noise in* "
            "is that average, and what our network, which was never trained on pure noise, does instead.",
            right="one blurry mean of all digits",
        )

    settings, picture = digits.columns(lesson.slug)
    with settings, stage.live():
        sigma = controls.slider(lesson.slug, "sigma", 0.0, 2.0, 1.4, 0.01, help="the network was trained at 0.5")
        x_uint8, name = digits.digit_in_view(lesson.slug)
        seed = controls.seed()
    with settings:
        own = st.container()
    with picture:
        place = digits.kept(lesson.slug)

    from lessons_lib.files.test_digits import shown_digits
    from lessons_lib.lessons import one_step
    from lessons_lib.lessons import out_of_its_depth as depth
    from lessons_lib.maths.images import from_unit, to_uint8
    from lessons_lib.models import digits as networks
    from lessons_lib.models.digits import denoise_once

    x = one_step.to_unit(x_uint8)
    with own:
        network = digits.network_in_view(lesson.slug, "one_step")
    with place.container():
        shipped = digits.ships(network)
        if shipped:
            epoch = networks.last_epoch(network)
            look = one_step.through_training([epoch], x, sigma, seed, network=network)
            captions = [f"{a}: {e}" if e.mse else a for a, e in zip(look.names, look.errors, strict=True)]
            pictures.in_a_row(to_uint8(from_unit(look.pictures)).numpy(), captions, f"{name}, seed {seed}", wide=170)
            ten, answers = digits.ten_cleaned(epoch, sigma, seed, network)
            pictures.in_a_row(answers, [str(k) for k in range(10)], f"the same cleaned at sigma {sigma:g}", wide=56)
            page.caption(f"live: {digits.which_epochs(network)}. Errors are of pixels in [0, 1].")

    tabs = stage.below(
        lesson.slug,
        "Things to try",
        shipped and "The course's strip",
        shipped and "Error against sigma",
        shipped and "Pure noise in",
        "Code",
    )
    with tabs["Things to try"]:
        page.things_to_try(
            lesson,
            [
                ("No noise at all: does it leave the digit alone?", {"sigma": 0}),
                ("Home ground, sigma 0.5", {"sigma": 0.5}),
                ("Twice the noise it knows: still a digit", {"sigma": 1.0}),
                ("Four times: strokes where there are none", {"sigma": 2.0}),
                ("Draw something that is no digit", {"input": "your drawing", "sigma": 0.5}),
            ],
            titled=False,
        )
    if shipped:
        nothing = digits.answers_to_nothing(seed, network)
        noisy, cleaned, errors = digits.at_every_sigma(x_uint8, epoch, seed, network)
        with tabs["The course's strip"]:
            pictures.in_a_row(ten, [f"z {k}" for k in range(10)], f"ten test digits at sigma {sigma:g}", wide=56)
            page.caption("The course's strip: the same digit at every sigma, and below each what the network makes of it.")
            captions = [f"sigma: {s:g}" for s in one_step.SIGMAS]
            pictures.in_a_row(noisy, captions, f"{name}, noised", wide=56)
            captions = [f"cleaned: {s:g}" for s in one_step.SIGMAS]
            pictures.in_a_row(cleaned, captions, f"{name}, cleaned", wide=56)
        with tabs["Error against sigma"]:
            trained_at = networks.last_settings(network).sigma

            def draw(rows: list[dict], key: str) -> None:
                sigmas = [r["sigma"] for r in rows]
                blind = nothing.errors["the average training digit"]
                lines = {
                    "test digits, cleaned": (sigmas, [r["cleaned mse"] for r in rows]),
                    f"{name}, cleaned": (depth.CURVE, errors),
                    "test digits, left noisy": (sigmas, [r["noisy mse"] or None for r in rows]),
                    "the average digit for all": (depth.CURVE, [blind] * len(depth.CURVE)),
                }
                plots.line_plot(
                    lines, "sigma", "mean squared error", key, mark=trained_at, mark_label="trained here", log_y=True, height=420
                )

            digits.measured(lesson.slug, network, depth.over_sigma, draw, minutes="half a minute to two")
            page.caption(
                "Below the dash-dotted line the network beats a blind guess; below the dotted one it beats leaving the noise alone. "
                "At sigma 0 there is no noise to remove, and it changes the digit all the same."
            )

        with tabs["Pure noise in"]:
            shown = to_uint8(from_unit(nothing.answers[:6])).numpy()
            noise = to_uint8(from_unit(nothing.noise[:6])).numpy()
            pictures.in_a_row(noise, [f"noise {i + 1}" for i in range(6)], "pure noise", wide=100)
            pictures.in_a_row(shown, [f"answer {i + 1}" for i in range(6)], "the network's answer to pure noise", wide=100)
            taught = nothing.from_noise is not None
            if taught:
                blurred = to_uint8(from_unit(nothing.from_noise[:6])).numpy()
                pictures.in_a_row(blurred, [f"taught {i + 1}" for i in range(6)], "a network trained on noise", wide=100)
            means = to_uint8(from_unit(depth.both_means(nothing))).numpy()
            captions = [
                f"mean of the network's {len(nothing.answers)} answers",
                f"average of the {shown_digits().trained_on:,} training digits",
            ]
            pictures.in_a_row(means, captions, "two means", wide=170)
            digits.table([{"guess, whatever the input": k, "MSE to a test digit": f"{v:.4f}"} for k, v in nothing.errors.items()])
            page.equation(
                r"\mathbb E\,\|c-x\|^2=\|c-\mathbb E[x]\|^2"
                r"+\underbrace{\mathbb E\,\|x-\mathbb E[x]\|^2}_{\text{no guess changes this}}"
            )
            page.caption(
                "A network trained on pure noise cannot know which digit is meant, so its loss is smallest at c = E[x], the average "
                "digit. The shipped denoiser was trained at sigma 0.5, takes the noise for strokes, and pays for it in the table. "
                + ("*taught* shows a small network that really was trained on noise alone (sigma 100)." if taught else "")
            )
    with tabs["Code"]:
        page.show_source(depth.error_against_sigma, depth.answers_to_pure_noise, depth.blind, denoise_once, titled=False)
