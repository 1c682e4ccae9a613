from lessons_lib.ui import controls, digits, page, pictures, plots
from lessons_lib.ui.filmstrip import LABELS, filmstrip
from lessons_lib.ui.playground import Take, meanwhile, play_each

NETWORK, DDPM, COLUMNS = "flow_matching", "class_conditioned", 10
IN_FLOW = {
    "xt": "x_t, between noise and picture",
    "x0_hat": "x_1_hat, where the road leads",
    "eps": "x_0_hat, the noise it came from",
}

with page.lesson_page("flow") as lesson:
    import streamlit as st

    page.idea(
        "Draw a straight road from a noise to a picture, and teach the network one thing: the **velocity** at every point of it, "
        "picture minus noise. To sample, start at noise and follow the velocity. Because the roads are nearly straight, a few "
        "long steps do what diffusion needs dozens of short ones for; and no noise is added on the way."
    )
    page.question(
        lesson.slug, "If all roads were perfectly straight, how many Euler steps would be enough?",
        ["one", "ten", "three hundred"],
        "One. They are not: many roads cross at every point, and the network can only learn their mean, which bends. That is why "
        "one step paints the average, a blur, and ten paint a digit.",
    )  # fmt: skip

    left, right = st.columns([1, 3], gap="large")
    with right, meanwhile(lesson.slug, "mnist", columns=COLUMNS):
        from lessons_lib import flow
        from lessons_lib.lessons import digits_errors as errors
        from lessons_lib.lessons.digits_walks import DIGITS, four_of_each, four_of_each_by_flow
        from lessons_lib.models import digits as networks
        from lessons_lib.models.unet import UNet
        from lessons_lib.training.digits import batch_loss

    with right:
        shipped = digits.ships(NETWORK) and digits.ships(DDPM)
    if shipped:
        last, other = networks.last_epoch(NETWORK), networks.last_epoch(DDPM)
        with left:
            epoch = controls.select_slider(
                lesson.slug, "epoch", networks.epochs_of(NETWORK), last, format_func=networks.describe,
                help="the flow-matching network at this moment of its training",
            )  # fmt: skip
            steps = controls.select_slider(
                lesson.slug, "num_inference_steps", (1, 2, 3, 5, 10, 20, 50), 10, help="Euler steps of the flow's walk"
            )
            ddpm_steps = controls.select_slider(
                lesson.slug, "ddpm_steps", (2, 3, 5, 10, 20, 50, 100, 300), 50, help="moves of DDPM's walk; the course has 300"
            )
            scale = controls.slider(lesson.slug, "guidance_scale", 0.0, 10.0, 5.0, 0.5, help="the course's gamma, for both")
            seed = controls.seed()
            convention = controls.choice(
                lesson.slug, "convention", ["flow matching", "diffusion"], help="in whose language the numbers below are said"
            )
        same = {"guidance_scale": scale, "seed": seed}
        about = {"network": NETWORK, "epoch": epoch, "num_inference_steps": steps, **same}
        about_ddpm = {"network": DDPM, "epoch": other, "num_inference_steps": ddpm_steps, **same}
        in_flow = convention == "flow matching"
        with right:
            titles = "Flow matching, Euler steps", "Diffusion, DDPM moves, from the same noise"
            walks = (
                Take(about, lambda: four_of_each_by_flow(epoch, of_each=2, num_inference_steps=steps, **same), "flow"),
                Take(about_ddpm, lambda: four_of_each(other, of_each=2, num_inference_steps=ddpm_steps, **same), "flow_ddpm"),
            )
            films = play_each(
                lesson.slug, "mnist", dict(zip(titles, walks, strict=True)), columns=COLUMNS, stream_wide=480, side_by_side=False
            )
            road, walked = films[titles[0]], films[titles[1]]
            asked = list(DIGITS) * 2
            for title, film in films.items():
                if film is not None:
                    st.markdown(
                        f"**{title.split(',')[0]}, {len(film) if film.kept is None else film.about['num_inference_steps']} steps**"
                    )
                    read = digits.judged(film.final, asked, pictures.describe(film.about))
                    st.caption(f"{sum(a == b for a, b in zip(read, asked, strict=True))} of {len(read)} read right by the judge")
            st.caption(f"{digits.which_epochs(NETWORK)}.")

        page.section("At how few steps do they fail?")

        def draw(rows: list[dict], key: str) -> None:
            lines = {}
            for name in ("flow matching", "DDPM"):
                there = [r for r in rows if r[name] is not None]
                lines[name] = ([r["num_inference_steps"] for r in there], [100 * r[name] for r in there])
            plots.line_plot(lines, "steps", "% read right", key, log_x=True, markers=True, level=90, level_label="90%")
            said = []
            for name, (n, right) in lines.items():
                below = [k for k, p in zip(n, right, strict=True) if p < 90]
                fewest = [k for k, p in zip(n, right, strict=True) if p >= 90 and k > max(below, default=0)]
                if fewest:
                    said.append(
                        f"{name} stays at 90% and above down to {fewest[0]} step{'s' if fewest[0] > 1 else ''}"
                        + (f", and not at {max(below)}" if below else "")
                    )
                elif n:
                    said.append(f"{name} does not stay above 90% at any of these")
            st.caption(". ".join(said) + ".")

        plots.measured(lesson.slug, "mnist", errors.over_steps, draw, minutes="three to six minutes")
        st.caption(
            f"A hundred digits a point at guidance 5, from the same noise: flow matching after epoch {last}, DDPM after epoch {other}. "
            "The networks have the same blocks and width, but not the same training. The judge reads even the blur that one step "
            "of a flow makes, the average of all roads: legible is not yet beautiful."
        )

        if road is not None:
            n = len(road)
            page.section("Every step of the flow")
            filmstrip(
                road, f"{lesson.slug}_strip_{convention}", columns=COLUMNS, alt=pictures.describe(road.about),
                labels=IN_FLOW if in_flow else LABELS,
            )  # fmt: skip
            pictures.downloads(road, f"flow-{epoch}-{seed}", columns=COLUMNS)

            page.section("One step, in either language")
            one, two = st.columns([1, 2], gap="medium")
            with one:
                step = st.slider("step", 1, n, n // 2 + 1, key=f"{lesson.slug}_step") if n > 1 else 1
                row = st.slider("row", 0, 27, 14, key=f"{lesson.slug}_row")
                column = st.slider("column", 0, 27, 14, key=f"{lesson.slug}_column")
            t, after = road.t[step - 1], road.t_prev[step - 1]
            x, picture, noise, x_after = (float(v[0, row, column]) for v in road.numbers[step - 1])
            gamma = road.about["guidance_scale"]
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
                    st.caption(f"t runs from 0, noise, to 1, the picture; here from {t:.3g} to {after:.3g}.")
                    page.equation(rf"u=u_\varnothing+\gamma\,(u_c-u_\varnothing),\qquad\gamma={gamma:g}")
                else:
                    schedule = networks.last_settings(DDPM).schedule
                    like = flow.timestep_like(t, schedule)
                    page.equation(
                        rf"\begin{{align*}}\hat\epsilon&=x_t-t\,u={noise:.3f}\\"
                        rf"\hat x_0&=x_t+(1-t)\,u={picture:.3f}\end{{align*}}"
                    )
                    page.equation(
                        rf"\begin{{align*}}x_{{t'}}&=t'\,\hat x_0+(1-t')\,\hat\epsilon\\&={after:.3f}\cdot({picture:.3f})+{1 - after:.3f}\cdot({noise:.3f})"
                        rf"={after * picture + (1 - after) * noise:.3f}\end{{align*}}"
                    )
                    st.caption(
                        f"The very same step, said as DDIM says it: a part picture, a part noise. Diffusion counts the other way: this "
                        f"much noise has its timestep {like} of {schedule.T} (alpha_bar {schedule.alpha_bar(like):.3f})."
                    )
                    page.equation(rf"\epsilon=(1+w)\,\epsilon_c-w\,\epsilon_\varnothing,\qquad w=\gamma-1={gamma - 1:g}")
                st.caption(f"row {row}, column {column} of the first picture; the walk went on to {x_after:.3f}.")
            digits.table(
                [
                    {"": "the network answers", "flow matching": "velocity u = x_1 - x_0", "diffusion": "noise eps"},
                    {"": "the picture is", "flow matching": "x_1, at t = 1", "diffusion": "x_0, at t = 0"},
                    {"": "pure noise is", "flow matching": "x_0, at t = 0", "diffusion": "x_T, at t = T - 1"},
                    {
                        "": "in between",
                        "flow matching": "(1 - t) x_0 + t x_1",
                        "diffusion": "sqrt(abar) x_0 + sqrt(1 - abar) eps",
                    },
                    {"": "from one to the other", "flow matching": "u = (x_t - eps) / t", "diffusion": "eps = x_t - t u"},
                    {"": "guidance", "flow matching": "gamma", "diffusion": "w = gamma - 1, in the paper"},
                ]
            )

        if road is not None and walked is not None:
            page.section("How straight are the roads?")
            lines = {}
            for name, film in (("flow", road), ("DDPM", walked)):
                for at in ((14, 14), (8, 14)):
                    done = [i / film.total for i in film.index] + [(film.index[-1] + 1) / film.total]
                    values = [float(v[0, 0, at[0], at[1]]) for v in film.numbers] + [float(film.numbers[-1][3, 0, at[0], at[1]])]
                    lines[f"{name}, pixel {at[0]}, {at[1]}"] = (done, values)
            plots.line_plot(lines, "part of the walk done", "value of the pixel in x_t", f"{lesson.slug}_roads")
            st.caption(
                "Two pixels of the first picture on their way. The flow's lines bend a little; DDPM's shake, for every move adds noise."
            )

        page.section("Training")
        digits.loss_curve(NETWORK, f"{lesson.slug}_loss", epoch)
        page.equation(r"L=\mathbb E_{t,\,x_0,\,x_1}\left\|(x_1-x_0)-u_\theta\bigl((1-t)\,x_0+t\,x_1,\;t,\;c\bigr)\right\|^2")
        st.caption(
            "This loss cannot fall to nothing: at every point many roads cross, and the best answer is their mean. Here time scales the "
            "channels instead of shifting them, as later years of the course have it."
        )
    page.show_source(flow.euler, flow.between, four_of_each_by_flow, batch_loss, UNet.forward)
    page.things_to_try(
        lesson,
        [
            ("One step: the average of all roads", {"num_inference_steps": 1}),
            ("Both in ten steps: who needs more?", {"num_inference_steps": 10, "ddpm_steps": 10}),
            ("DDPM's full walk of 300 steps", {"ddpm_steps": 300}),
            ("The same numbers in diffusion's language", {"convention": "diffusion"}),
            ("The network before its first step", {"epoch": "untrained"}),
        ],
    )
