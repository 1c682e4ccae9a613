"""The one-step denoiser: a digit noised, and cleaned in one pass, through the training."""

from lessons_lib.ui import controls, digits, page, pictures, stage

with page.lesson_page("one_step") as lesson:
    import streamlit as st

    stage.begin()
    with stage.idea(
        "Take a digit, add Gaussian noise, and train a UNet to give the clean digit back. It sees the digit under noise of "
        "`sigma = 0.5` and nothing else, and is scored by the mean squared error: the smallest step on the way to a diffusion model."
    ):
        page.question(
            lesson.slug,
            "Where will one pass through the trained network leave the digit?",
            ["as good as the original", "clean, but smoother", "still noisy"],
            "Squared error rewards the mean of all digits it could be: clean, and smoother where the noise hid the stroke.",
            right="clean, but smoother",
        )

    settings, picture = digits.columns(lesson.slug)
    with settings, stage.live():
        x_uint8, name = digits.digit_in_view(lesson.slug)
        seed = controls.seed()
    with settings:
        own = st.container()
    with picture:
        place = digits.kept(lesson.slug)

    from lessons_lib.lessons import one_step
    from lessons_lib.maths.images import from_unit, to_uint8
    from lessons_lib.models import digits as networks
    from lessons_lib.models.digits import denoise_once
    from lessons_lib.models.objective import OneStep
    from lessons_lib.models.unet import UNet

    x = one_step.to_unit(x_uint8)
    with own:
        network = digits.network_in_view(lesson.slug, "one_step")
    with place.container():
        shipped = digits.ships(network)
        sigma = networks.last_settings(network).sigma if shipped else 0.5
        noisy = to_uint8(from_unit(one_step.at_sigmas(x, one_step.SIGMAS, seed))).numpy()
        pictures.in_a_row(noisy, [f"sigma: {s:g}" for s in one_step.SIGMAS], f"{name}, noised", wide=56)
        if shipped:
            look = one_step.through_training(networks.compared(network), x, sigma, seed, network=network)
            captions = [f"{a}: {e}" if e.mse else a for a, e in zip(look.names, look.errors, strict=True)]
            pictures.in_a_row(to_uint8(from_unit(look.pictures)).numpy(), captions, f"{name}, seed {seed}", wide=130)
            page.caption(f"live: {digits.which_epochs(network)}. Errors are of pixels in [0, 1].")

    tabs = stage.below(
        lesson.slug,
        "Things to try",
        shipped and "Through the training",
        "One pixel",
        shipped and "The measure",
        "Code",
        walks={"training": "Through the training"},
    )
    with tabs["Things to try"]:
        page.things_to_try(
            lesson,
            [
                ("A digit easily mistaken: 4", {"digit": 4, "example": 3}),
                ("The network before its first step", {"epoch": "untrained"}, "training"),
                ("Draw your own: how unlike a digit may it be?", {"input": "your drawing"}),
                ("Other noise, same digit: does it matter which?", {"seed": 7}),
            ],
            titled=False,
        )
    if shipped:
        with tabs["Through the training"]:
            epoch = digits.epoch_in_view(lesson.slug, network, "0 is the network before its first step")
            digits.loss_curve(network, f"{lesson.slug}_loss", epoch)
            ten, answers = digits.ten_cleaned(epoch, sigma, seed, network)
            pictures.in_a_row(ten, [f"z {k}" for k in range(10)], f"ten test digits at sigma {sigma:g}", wide=56)
            pictures.in_a_row(answers, [str(k) for k in range(10)], f"the same, cleaned, {networks.describe(epoch)}", wide=56)

    with tabs["One pixel"]:
        one, two = st.columns(2)
        with one:
            row = int(controls.slider(lesson.slug, "row", 0, 27, 14, 1))
        with two:
            column = int(controls.slider(lesson.slug, "column", 0, 27, 14, 1))
        z = one_step.noised(x, sigma, seed)
        vx, vz = x[0, 0, row, column].item(), z[0, 0, row, column].item()
        page.equation(r"z=x+\sigma\,\epsilon\qquad\epsilon\sim\mathcal N(0,I)\qquad L=\mathbb E\,\|D_\theta(z)-x\|^2")
        page.equation(rf"z={vx:.3f}+{sigma:g}\cdot({(vz - vx) / sigma:.3f})={vz:.3f}")
        if shipped:
            vy = look.pictures[len(look.names) - 2, 0, row, column].item()
            page.equation(rf"(D_\theta(z)-x)^2=({vy:.3f}-{vx:.3f})^2={(vy - vx) ** 2:.4f}")
            page.caption(f"pixel ({row}, {column}) of {name}; the network {networks.describe(networks.last_epoch(network))}")
    if shipped:
        with tabs["The measure"]:
            digits.table(digits.one_step_errors(sigma, seed, network=network))
            page.caption(
                "Twenty test digits, two of each, that the network was never trained on. MSE and PSNR say how near, sharpness (mean "
                "gradient) how crisp: below the original's where strokes are blurred away, above it where noise is left."
            )
    with tabs["Code"]:
        page.show_source(one_step.noised, denoise_once, OneStep.loss, UNet.forward, titled=False)
