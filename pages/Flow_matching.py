"""Flow matching: the flow beside the diffusion network, how few steps each needs, and how its paths bend."""

from lessons_lib.ui import controls, digits, page, pictures, plots, stage
from lessons_lib.ui.filmstrip import LABELS, filmstrip
from lessons_lib.ui.playground import Take, meanwhile, play_each

NETWORK, DIFFUSION, COLUMNS = "flow_matching", "class_conditioned", 10
IN_FLOW = {
    "xt": "x_t, between noise and picture",
    "x0_hat": "x_1_hat, where the path leads",
    "eps": "x_0_hat, the noise it came from",
}

with page.lesson_page("flow") as lesson:
    import streamlit as st

    stage.begin()
    with stage.idea(
        "Draw a straight path from a noise to a picture, and teach the network the **velocity** on it, picture minus noise. To sample, "
        "start at noise and follow the velocity in a few Euler steps. No noise is added on the way; that is a choice of *sampler*: the "
        "diffusion network can be walked without, too (DDIM)."
    ):
        page.question(
            lesson.slug,
            "In training, every path from a noise to a picture is straight. Are the paths that sampling follows straight as well?",
            ["yes, so one step is enough", "no, they bend", "yes, but only near the picture"],
            "Many training paths cross at every point, and the network can only learn their mean velocity. Following a mean that "
            "changes from place to place makes a bent path: one step from pure noise lands on an average of digits.",
            right="no, they bend",
        )

    settings_place, picture = stage.columns()
    with picture, meanwhile(lesson.slug, "mnist", columns=COLUMNS):
        from lessons_lib.lessons import class_
        from lessons_lib.lessons import flow as flow_lesson
        from lessons_lib.lessons._digits import DIGITS
        from lessons_lib.maths import flow
        from lessons_lib.models import digits as networks
        from lessons_lib.models.objective import Flow
        from lessons_lib.models.unet import UNet

    with picture:
        shipped = digits.ships(NETWORK) and digits.ships(DIFFUSION)
    path = walked = None
    if shipped:
        with settings_place:
            network = digits.network_in_view(lesson.slug, NETWORK, digits.USED_IN[lesson.slug])
        last, other = networks.last_epoch(network), networks.last_epoch(DIFFUSION)
        with settings_place, stage.needs_run():
            steps = controls.select_slider(
                lesson.slug, "num_inference_steps", (1, 2, 3, 5, 10, 20, 50), 3, help="Euler steps of the flow's walk"
            )
            diffusion_steps = controls.select_slider(
                lesson.slug,
                "diffusion_steps",
                (1, 2, 3, 5, 10, 20, 50, 100, 300),
                3,
                help="moves of the diffusion network's walk; the course has 300",
            )
            sampler = controls.choice(
                lesson.slug,
                "sampler",
                list(flow_lesson.SAMPLERS),
                help="the noise put back at a move of the diffusion network: beta's, as the course has it; the posterior's; none",
            )
            with stage.more():
                epoch = digits.epoch_in_view(lesson.slug, network, "the flow-matching network at this moment of its training")
                scale = controls.slider(lesson.slug, "guidance_scale", 0.0, 10.0, 5.0, 0.5, help="the course's gamma, for both")
                seed = controls.seed()
        same = {"guidance_scale": scale, "seed": seed}
        about = flow_lesson.about(network=network, epoch=epoch, num_inference_steps=steps, **same)
        about_diffusion = flow_lesson.about_diffusion(num_inference_steps=diffusion_steps, sampler=sampler, **same)
        with picture:
            asked = list(DIGITS) * 2
            how = {
                "each": digits.FIVE,
                "captions": lambda about: digits.asked_captions(asked),
                "finals": lambda film: digits.read_captions(film, asked),
                "marked": True,
            }
            titles = "Flow matching, Euler", "Diffusion, from the same noise"
            walks = (
                Take(about, lambda: flow_lesson.walk(about), "flow", **how),
                Take(about_diffusion, lambda: flow_lesson.walk_diffusion(about_diffusion), "flow_diffusion", **how),
            )
            films = play_each(lesson.slug, "mnist", dict(zip(titles, walks, strict=True)), stream_wide=300, side_by_side=False)
            path, walked = films[titles[0]], films[titles[1]]
            counts = [f"{title.split(',')[0]}: {digits.right(film, asked)}" for title, film in films.items() if film is not None]
            page.caption(f"Of {len(asked)} digits the judge reads right: {', '.join(counts)}. {digits.which_epochs(network)}.")

    tabs = stage.below(
        lesson.slug,
        "Things to try",
        shipped and "At how few steps do they fail?",
        path is not None and "Every step",
        path is not None and "One step, in either language",
        path is not None and walked is not None and "How straight?",
        shipped and "Training",
        "Code",
        walks={"language": "One step, in either language"},
    )
    with tabs["Things to try"]:
        page.things_to_try(
            lesson,
            [
                ("One step without guidance: an average of digits", {"num_inference_steps": 1, "guidance_scale": 1.0}),
                ("Three steps each, and no noise put back", {"num_inference_steps": 3, "diffusion_steps": 3, "sampler": "DDIM"}),
                ("The course's full walk of 300 steps", {"diffusion_steps": 300}),
                ("The same numbers in diffusion's language", {"convention": "diffusion"}, "language"),
                ("The network before its first step", {"epoch": "untrained"}),
            ],
            titled=False,
        )
    if shipped:
        with tabs["At how few steps do they fail?"]:

            def draw(rows: list[dict], key: str) -> None:
                n = [r["num_inference_steps"] for r in rows]
                lines = {name: (n, [100 * r[name] for r in rows]) for name in rows[0] if name != "num_inference_steps"}
                plots.line_plot(
                    lines, "calls of the network a picture", "% read right, and surely", key, log_x=True, markers=True
                )

            guided = controls.choice(lesson.slug, "guidance", ["at guidance 5", "at guidance 1"], help="of the plot")
            measure, rows_of = {
                "at guidance 5": ("flow", flow_lesson.over_steps),
                "at guidance 1": ("flow_unguided", flow_lesson.over_steps_unguided),
            }[guided]
            digits.measured(measure, network, rows_of, draw, minutes="one to three minutes")
            page.caption(
                f"A hundred digits a point, from the same noise: flow matching {networks.describe(last)}, diffusion after epoch {other}. Counted is a "
                "digit that the judge reads as asked and is more than half sure of. What spoils DDPM's walk in two or three moves is the noise "
                "that `fixed_large` puts back, sized for short moves: the digit drowns in grain. With the posterior's variance, or none at all "
                "(DDIM), the same network needs hardly more moves than the flow. The judge even reads most of the blurs that one step makes: legible "
                "is not yet beautiful."
            )

    if path is not None:
        n = len(path)
        with tabs["One step, in either language"]:
            convention = controls.choice(
                lesson.slug, "convention", ["flow matching", "diffusion"], help="in whose language the numbers below are said"
            )
            in_flow = convention == "flow matching"
            one, two = st.columns([1, 2], gap="medium")
            with one:
                step = st.slider("step", 1, n, n // 2 + 1, key=f"{lesson.slug}_step") if n > 1 else 1
                row = st.slider("row", 0, 27, 14, key=f"{lesson.slug}_row")
                column = st.slider("column", 0, 27, 14, key=f"{lesson.slug}_column")
            t, after = path.t[step - 1], path.t_prev[step - 1]
            x, picture, noise, x_after = (float(v[0, row, column]) for v in path.numbers[step - 1])
            gamma = path.about["guidance_scale"]
            with two:
                if in_flow:
                    page.equation(
                        rf"\begin{{align*}}u_\theta(x_t,\,t={t:.3g})&=\hat x_1-\hat x_0\\"
                        rf"&={picture:.3f}-({noise:.3f})={picture - noise:.3f}\end{{align*}}"
                    )
                    page.equation(
                        rf"\begin{{align*}}x_{{t'}}&=x_t+(t'-t)\,u\\&={x:.3f}+{after - t:.3f}\cdot({picture - noise:.3f})"
                        rf"={x + (after - t) * (picture - noise):.3f}\end{{align*}}"
                    )
                    page.caption(f"t runs from 0, noise, to 1, the picture; here from {t:.3g} to {after:.3g}.")
                    page.equation(rf"u=u_\varnothing+\gamma\,(u_c-u_\varnothing),\qquad\gamma={gamma:g}")
                else:
                    schedule = networks.last_settings(DIFFUSION).schedule
                    like = flow.timestep_like(t, schedule)
                    page.equation(
                        rf"\begin{{align*}}\hat\epsilon&=x_t-t\,u={noise:.3f}\\"
                        rf"\hat x_0&=x_t+(1-t)\,u={picture:.3f}\end{{align*}}"
                    )
                    page.equation(
                        rf"\begin{{align*}}x_{{t'}}&=t'\,\hat x_0+(1-t')\,\hat\epsilon\\&={after:.3f}\cdot({picture:.3f})+{1 - after:.3f}\cdot({noise:.3f})"
                        rf"={after * picture + (1 - after) * noise:.3f}\end{{align*}}"
                    )
                    page.caption(
                        f"The very same step, said as DDIM says it: a part picture, a part noise. Diffusion counts the other way: this "
                        f"much noise has its timestep {like} of {schedule.T} (alpha_bar {schedule.alpha_bar(like):.3f})."
                    )
                    page.equation(rf"\epsilon=(1+w)\,\epsilon_c-w\,\epsilon_\varnothing,\qquad w=\gamma-1={gamma - 1:g}")
                page.caption(f"row {row}, column {column} of the first picture; the walk went on to {x_after:.3f}.")
            if page.solutions():
                digits.table(
                    [
                        {"what": "the network answers", "flow matching": "velocity u = x_1 - x_0", "diffusion": "noise eps"},
                        {"what": "the picture is", "flow matching": "x_1, at t = 1", "diffusion": "x_0, at t = 0"},
                        {"what": "pure noise is", "flow matching": "x_0, at t = 0", "diffusion": "x_T, at t = T - 1"},
                        {
                            "what": "in between",
                            "flow matching": "(1 - t) x_0 + t x_1",
                            "diffusion": "sqrt(abar) x_0 + sqrt(1 - abar) eps",
                        },
                        {"what": "from one to the other", "flow matching": "u = (x_t - eps) / t", "diffusion": "eps = x_t - t u"},
                        {"what": "guidance", "flow matching": "gamma", "diffusion": "w = gamma - 1, in the paper"},
                    ]
                )

        with tabs["Every step"]:
            filmstrip(
                path,
                f"{lesson.slug}_strip_{convention}",
                columns=COLUMNS,
                alt=pictures.describe(path.about),
                labels=IN_FLOW if in_flow else LABELS,
            )
            pictures.downloads(path, f"flow-{epoch}-{seed}", columns=COLUMNS)

    if path is not None and walked is not None:
        with tabs["How straight?"]:
            schedule = networks.last_settings(DIFFUSION).schedule
            lines = {}
            for at in ((14, 14), (8, 14)):
                lines[f"flow, pixel {at[0]}, {at[1]}"] = flow_lesson.pixel_path(path, *at)
                lines[f"diffusion, pixel {at[0]}, {at[1]}"] = flow_lesson.pixel_path(walked, *at, schedule)
            plots.line_plot(lines, "from noise (0) to picture (1)", "value of the pixel", f"{lesson.slug}_paths", markers=True)
            lengths = flow_lesson.detour(path), flow_lesson.detour(walked, schedule)
            page.caption(
                "Two pixels of the first picture on their way, diffusion's x_t divided by the sum of its two factors so that both are "
                f"means of picture and noise. The whole picture's path is {lengths[0]:.2f} times as long as the straight line for the "
                f"flow, {lengths[1]:.2f} times for {walked.about['sampler']}. To compare path with path, choose DDIM: DDPM's shakes "
                "because noise is added at every move."
            )

    if shipped:
        with tabs["Training"]:
            digits.loss_curve(network, f"{lesson.slug}_loss", epoch)
            page.equation(r"L=\mathbb E_{t,\,x_0,\,x_1}\left\|(x_1-x_0)-u_\theta\bigl((1-t)\,x_0+t\,x_1,\;t,\;c\bigr)\right\|^2")
            page.caption(
                "This loss cannot fall to nothing: at every point many paths cross, and the best answer is their mean. In this network time "
                "scales the channels instead of shifting them."
            )
    with tabs["Code"]:
        page.show_source(
            flow.euler, flow.between, flow_lesson.four_of_each_by_flow, class_.four_of_each, Flow.loss, UNet.forward, titled=False
        )
