"""Adding class: four of each digit as they were asked for, through the training and over guidance."""

from lessons_lib.ui import controls, digits, page, pictures, plots, stage
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.microscope import microscope
from lessons_lib.ui.playground import meanwhile, play

NETWORK, COLUMNS = "class_conditioned", 10

with page.lesson_page("class") as lesson:
    import streamlit as st

    stage.begin()
    with stage.idea(
        "Tell the network which digit you want: a one-hot vector, turned by a small network into a scale for every channel. In one "
        "training picture of ten the class is hidden, so it also learns to draw *any* digit, and guidance can push from the one answer "
        "to the other."
    ):
        page.question(
            lesson.slug,
            "Why hide the class in one training picture of ten?",
            ["to train faster", "to learn an answer without it", "to forget the digits"],
            "Guidance needs `eps` with the class and without it. A network that never saw the class hidden would answer the empty "
            "vector with anything at all.",
            right="to learn an answer without it",
        )

    settings_place, picture = stage.columns()
    with picture, meanwhile(lesson.slug, "mnist", columns=COLUMNS):
        from lessons_lib.lessons import class_
        from lessons_lib.lessons._digits import DIGITS
        from lessons_lib.models import digits as networks
        from lessons_lib.models.objective import Eps
        from lessons_lib.models.unet import UNet

    with picture:
        shipped = digits.ships(NETWORK)
    film = None
    if shipped:
        with settings_place:
            own = st.container()
        with own:
            network = digits.network_in_view(lesson.slug, NETWORK)
        settings = networks.last_settings(network)
        with settings_place, stage.needs_run():
            scale = controls.slider(
                lesson.slug, "guidance_scale", 0.0, 10.0, 5.0, 0.5, help="the course's gamma: 0 hides the class, 1 only tells it"
            )
            steps = controls.select_slider(
                lesson.slug, "num_inference_steps", (6, 12, 20, 50, 100, 300), 12, help="300 is the course's, every timestep"
            )
            seed = controls.seed()
            epoch = digits.epoch_in_view(lesson.slug, network, "the network at this moment of its training")
        same = {
            "network": network,
            "guidance_scale": scale,
            "num_inference_steps": steps,
            "variance_type": "fixed_large",
            "seed": seed,
        }
        about = class_.about(epoch=epoch, **same)
        asked = list(DIGITS) * 4
        with picture:
            film = play(
                lesson.slug,
                "mnist",
                about,
                lambda: class_.walk(about),
                name=f"film_{epoch}" if network == NETWORK else f"film_{network}_{epoch}",
                opening=class_.opening_name(epoch, network),
                stream_wide=300,
                each=digits.FIVE,
                captions=lambda about: digits.asked_captions(asked),
                finals=lambda film: digits.read_captions(film, asked),
                marked=True,
            )
            if film is not None:
                right = digits.right(film, asked)
                st.metric("read right by the judge", f"{right} of {len(asked)}", help="a classifier trained on real digits")
            page.caption(f"{digits.which_epochs(network)}. Under each digit: what the judge reads.")

    tabs = stage.below(
        lesson.slug,
        "Things to try",
        shipped and "Through the training",
        film is not None and "Every step",
        film is not None and "One pixel",
        shipped and "What guidance buys, and costs",
        shipped and "What the class is worth",
        "Code",
    )
    with tabs["Things to try"]:
        page.things_to_try(
            lesson,
            [
                ("The class told, but no guidance", {"guidance_scale": 1}),
                ("No class at all", {"guidance_scale": 0}),
                ("Guidance 10: thicker strokes", {"guidance_scale": 10}),
                ("The course's full walk of 300 steps", {"num_inference_steps": 300}),
                ("The network before its first step", {"epoch": "untrained"}),
            ],
            titled=False,
        )
    if shipped:
        with tabs["Through the training"]:
            digits.loss_curve(network, f"{lesson.slug}_loss", epoch)
            rows = [digits.read_right(e, class_.opening_name(e, network)) for e in networks.epochs_of(network)]
            if any(rows):
                digits.table([row for row in rows if row])
    if film is not None:
        with tabs["Every step"]:
            filmstrip(
                film,
                f"{lesson.slug}_strip_{network}_{epoch}",
                scope=f"{lesson.slug}_scope",
                columns=COLUMNS,
                alt=pictures.describe(film.about),
            )
            pictures.downloads(film, f"class-{epoch}-{seed}", columns=COLUMNS)
        with tabs["One pixel"]:
            microscope(film, settings.schedule, f"{lesson.slug}_scope")
    if shipped:
        with tabs["What guidance buys, and costs"]:

            def draw(rows: list[dict], key: str) -> None:
                scales = [r["guidance_scale"] for r in rows]
                lines = {
                    "read right": (scales, [r["accuracy"] for r in rows]),
                    "diversity": (scales, [r["diversity"] for r in rows]),
                    "ink": (scales, [r.get("ink") for r in rows]),
                }
                plots.line_plot(lines, "guidance_scale", "share", key, mark=5, mark_label="the course's 5", markers=True)

            digits.measured(lesson.slug, network, class_.over_guidance, draw, minutes="half a minute to a minute")
            page.caption(
                "Forty digits a point. Being told the class at all (guidance 1) does most: at 0 one in ten is right by chance. Guidance "
                "brings the last few, and its price is small here: pictures of one digit grow more alike (diversity), and strokes thicker "
                "(ink, the mean of all pixels in [0, 1])."
            )
            page.equation(
                r"\epsilon=\epsilon_\theta(x_t,t,\varnothing)+\gamma\,\bigl(\epsilon_\theta(x_t,t,c)-\epsilon_\theta(x_t,t,\varnothing)\bigr)"
            )

        with tabs["What the class is worth"]:

            def draw_told(rows: list[dict], key: str) -> None:
                t, told = [r["t"] for r in rows], [r["the right class"] for r in rows]
                lines = {
                    name: (t, [100 * (r[name] / right - 1) for r, right in zip(rows, told, strict=True)])
                    for name in ("class hidden", "a wrong class")
                }
                plots.line_plot(lines, "t", "% more error than with the right class", key)

            digits.measured("class_told", network, class_.told_classes, draw_told, minutes="two to five seconds")
            page.caption(
                f"Mean squared error of eps on test digits. class_dropout = {settings.class_dropout:g} in this training: the line with "
                "the class hidden is what those hidden classes taught. The class is worth little where the digit can be seen, and "
                "most where noise hides it."
            )
    with tabs["Code"]:
        page.show_source(class_.four_of_each, Eps.loss, UNet.forward, titled=False)
