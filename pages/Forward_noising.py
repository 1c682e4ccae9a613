"""Forward noising: one picture at any t, the course's strip, one pixel's numbers, what the noise drowns, two schedules."""

import math

from lessons_lib.ui import controls, page, pictures, plots, stage
from lessons_lib.ui.playground import meanwhile

SCHEDULES = {"cosine": "cosine, as DeepFloyd IF", "linear": "linear, as DDPM"}

with page.lesson_page("forward") as lesson:
    import streamlit as st

    stage.begin()
    with stage.idea(
        "Diffusion learns to undo a mess, so first comes the mess: each timestep `t` mixes a clean picture `x0` with Gaussian noise "
        "`eps`. How much of the picture is left is fixed in advance by one number, `alpha_bar`, so you can jump to any `t` at once."
    ):
        page.question(
            lesson.slug,
            "At t = 500 of 1000 on the cosine schedule, how much of the picture's variance is still there?",
            ["about a tenth", "about half", "nearly all"],
            "`alpha_bar` at 500 is 0.492. To the eye it looks like less: the noise has the other half, and a variance of 1, where a "
            "photo has about a tenth of that.",
            right="about half",
        )

    with meanwhile(lesson.slug):
        import torch

        from lessons_lib.lessons import forward
        from lessons_lib.maths.images import to_uint8
        from lessons_lib.maths.schedule import Schedule
        from lessons_lib.ui.originals import pick_picture
        from lessons_lib.ui.pictures import live_noise

    default = forward.about()
    settings, picture = stage.columns()
    with settings, stage.live():
        t = controls.slider(lesson.slug, "t", 0, forward.T - 1, default["t"], 1, help="0 is nearly clean, 999 almost pure noise")
        kind = controls.choice(lesson.slug, "schedule", list(SCHEDULES))
        page.caption(SCHEDULES[kind])
        schedule = forward.SCHEDULES[kind]()
        size = controls.select_slider(lesson.slug, "size", (28, 32, 64, 128), default["size"], help="height and width in pixels")
        x0, name = pick_picture(lesson.slug, (3, size, size), kinds=["photo", "emoji", "digit", "upload"])
        about = forward.about(picture=name, size=size, schedule=kind, t=t, seed=controls.seed())
    made_by = pictures.describe({k: about[k] for k in ("picture", "schedule", "seed")})
    xt, eps = forward.walk(about, x0, [t]), forward.noise_of(about, x0)
    a = schedule.alpha_bar(t)
    strip = (0, *forward.COURSE, 999)
    with picture:
        row = f"{lesson.slug}_row"
        both = to_uint8(torch.cat([x0, xt])).numpy()
        pictures.in_a_row(both, ["x0", f"x_t at t = {t}"], made_by, wide=256, key=row)
        live_noise(
            x0,
            eps,
            schedule,
            slider=controls.key_of(lesson.slug, "t"),
            row=row,
            index=1,
            caption="x_t at t = {t}",
            key=f"{lesson.slug}_live",
        )
        captions = [f"t = {s} · alpha_bar {schedule.alpha_bar(s):.3f}" for s in strip]
        pictures.in_a_row(to_uint8(forward.walk(about, x0, strip)).numpy(), captions, made_by, wide=112)

    tabs = stage.below(
        lesson.slug, "Things to try", "One pixel", "What drowns first", "What tends to a Gaussian", "Two schedules", "Code"
    )
    with tabs["One pixel"]:
        row, column = st.columns(2)
        with row:
            y = min(controls.slider(lesson.slug, f"row_{size}", 0, size - 1, size // 2, 1, argument="row"), size - 1)
        with column:
            x = min(controls.slider(lesson.slug, f"column_{size}", 0, size - 1, size // 2, 1, argument="column"), size - 1)
        v0, ve, vt = (v[0, :, y, x].mean().item() for v in (x0, eps, xt))
        page.equation(r"x_t=\sqrt{\bar\alpha_t}\,x_0+\sqrt{1-\bar\alpha_t}\,\epsilon\qquad\epsilon\sim\mathcal N(0,I)")
        page.equation(rf"{math.sqrt(a):.3f}\cdot({v0:.3f})+{math.sqrt(1 - a):.3f}\cdot({ve:.3f})={vt:.3f}")
        page.caption(f"pixel ({y}, {x}), the mean of its three channels, t = {t} (Ho et al. 2020, eq. 4)")
    with tabs["What drowns first"]:
        rings, clean = forward.radial_power(x0)
        signal, noise = [a * p for p in clean], [1 - a] * len(rings)
        lines = {f"the picture at t = {t}": (rings, signal), "the noise": (rings, noise), "the picture at t = 0": (rings, clean)}
        plots.line_plot(lines, "cycles a picture (coarse shapes to the left)", "power", "forward_power", log_y=True)
        lost = forward.drowned_from(signal, 1 - a)
        if lost is None:
            page.caption("The picture is stronger than the noise at every frequency: nothing is lost yet.")
        elif lost == 0:
            page.caption("The noise is stronger than the picture at every frequency.")
        else:
            page.caption(
                f"From {rings[lost]:g} cycles a picture on, the noise is stronger. A picture has most of its power in its coarse shapes, "
                "white noise has the same everywhere: so fine details drown first, and a walk back finds the coarse shapes first."
            )
    with tabs["What tends to a Gaussian"]:
        grid = torch.linspace(-3.5, 3.5, 71)
        middle = ((grid[1:] + grid[:-1]) / 2).tolist()
        width = (grid[1] - grid[0]).item()
        density = (torch.histogram(xt.flatten().double(), grid.double())[0] / xt.numel() / width).tolist()
        normal = [math.exp(-m * m / 2) / math.sqrt(2 * math.pi) for m in middle]
        lines = {f"pixels of x_t at t = {t}": (middle, density), "standard normal": (middle, normal)}
        plots.line_plot(lines, "pixel value", "density", "forward_histogram")
        page.caption(
            "All pixels of x_t in one heap: at t = 0 it has the shape of this picture's own brightness, near t = 999 that of a standard "
            "normal. For one given x0, each single pixel of x_t is Gaussian at every t."
        )
    with tabs["Two schedules"]:
        schedules = {"cosine": Schedule.cosine(), "linear": Schedule.linear()}
        ts = list(range(0, 1000, 5))
        plot_a, plot_b = st.columns(2)
        with plot_a:
            lines = {k: (ts, [s.alpha_bar(i) for i in ts]) for k, s in schedules.items()}
            plots.line_plot(lines, "t", "alpha_bar", "forward_alpha_bar", mark=t, mark_label=f"t = {t}")
        with plot_b:
            lines = {k: (ts, [s.snr(i) for i in ts]) for k, s in schedules.items()}
            plots.line_plot(lines, "t", "signal-to-noise", "forward_snr", mark=t, mark_label=f"t = {t}", log_y=True)
        lost = {k: int((s.alphas_cumprod < 0.01).sum()) for k, s in schedules.items()}
        page.caption(
            f"The linear schedule spends {lost['linear']} of its 1000 timesteps where less than a hundredth of the picture is left, the "
            f"cosine one {lost['cosine']}: it lets alpha_bar fall nearly evenly."
        )
    with tabs["Code"]:
        page.show_source(Schedule.add_noise, forward.radial_power, Schedule.cosine, Schedule.linear, titled=False)
    with tabs["Things to try"]:
        page.things_to_try(
            lesson,
            [
                ("A digit at t = 400", {"picture": "digit", "t": 400}),
                ("The same t, linear schedule: how much less is left", {"schedule": "linear", "t": 500}),
                ("Where do you lose the cat? Start at t = 300 and go up", {"picture": "photo", "t": 300}),
                ("More pixels at t = 600: why is a large picture easier to make out?", {"size": 128, "t": 600}),
            ],
            titled=False,
        )
