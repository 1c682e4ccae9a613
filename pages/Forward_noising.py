import math

from lessons_lib.ui import controls, page, pictures, plots
from lessons_lib.ui.playground import meanwhile

COURSE = (250, 500, 750)
SCHEDULES = {"cosine": "cosine, as DeepFloyd IF", "linear": "linear, as DDPM"}

with page.lesson_page("forward") as lesson:
    import streamlit as st

    page.idea(
        "Diffusion learns to undo a mess, so first comes the mess. Each timestep `t` mixes a clean picture `x0` with Gaussian "
        "noise `eps`; how much of the picture is left is fixed in advance by one number, `alpha_bar`. "
        "Because Gaussians add up to Gaussians, you can jump to any `t` at once, without walking there."
    )
    page.question(
        lesson.slug, "At t = 500 of 1000 on the cosine schedule, how much of the picture's variance is still there?",
        ["about a tenth", "about half", "nearly all"],
        "`alpha_bar` at 500 is 0.492: about half. Your eye still finds the picture easily; at 750 only a seventh is left.",
    )  # fmt: skip

    with meanwhile(lesson.slug):
        import torch

        from lessons_lib.images import to_uint8
        from lessons_lib.schedule import Schedule
        from lessons_lib.ui.sources import pick_picture

    left, right = st.columns([1, 3], gap="large")
    with left:
        kind = controls.choice(lesson.slug, "schedule", list(SCHEDULES))
        st.caption(SCHEDULES[kind])
        schedule = Schedule.cosine() if kind == "cosine" else Schedule.linear()
        t = controls.slider(lesson.slug, "t", 0, schedule.T - 1, 500, 1, help="0 is nearly clean, 999 almost pure noise")
        size = controls.select_slider(lesson.slug, "size", (28, 32, 64, 128), 64, help="height and width in pixels")
        x0, name = pick_picture(lesson.slug, (3, size, size), kinds=["photo", "emoji", "digit", "upload"])
        seed = controls.seed()
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(seed))
    xt = schedule.add_noise(x0, t, eps)
    a = schedule.alpha_bar(t)
    with right:
        both = to_uint8(torch.cat([x0, xt])).numpy()
        pictures.in_a_row(both, ["x0", f"x_t at t = {t}"], f"{name}, {kind} schedule", wide=260)
        correlation = torch.corrcoef(torch.stack([x0.flatten(), xt.flatten()]))[0, 1].item() if x0.std() > 0 else 0.0
        one, two, three = st.columns(3)
        one.metric("alpha_bar", f"{a:.4f}")
        two.metric("signal-to-noise", f"{schedule.snr(t):.3g}", help="alpha_bar / (1 - alpha_bar)")
        three.metric("correlation with x0", f"{correlation:.3f}", help="1: the picture itself; 0: none of it can be seen")
    st.caption("live: every slider move computes these pictures anew")

    page.section("The strip")
    strip = (0, *COURSE, 999)
    noised = torch.cat([schedule.add_noise(x0, s, eps) for s in strip])
    captions = [f"t = {s} · alpha_bar {schedule.alpha_bar(s):.3f}" for s in strip]
    pictures.in_a_row(to_uint8(noised).numpy(), captions, f"{name}, {kind} schedule", wide=150)

    page.section("The equation, with one pixel's numbers")
    row, column = st.columns(2)
    with row:
        y = controls.slider(lesson.slug, "row", 0, 127, 32, 1) % size
    with column:
        x = controls.slider(lesson.slug, "column", 0, 127, 32, 1) % size
    v0, ve, vt = (v[0, :, y, x].mean().item() for v in (x0, eps, xt))
    page.equation(r"x_t=\sqrt{\bar\alpha_t}\,x_0+\sqrt{1-\bar\alpha_t}\,\epsilon\qquad\epsilon\sim\mathcal N(0,I)")
    page.equation(rf"{math.sqrt(a):.3f}\cdot({v0:.3f})+{math.sqrt(1 - a):.3f}\cdot({ve:.3f})={vt:.3f}")
    st.caption(f"pixel ({y}, {x}), the mean of its three channels, t = {t} (Ho et al. 2020, eq. 4)")

    page.section("What tends to a Gaussian")
    grid = torch.linspace(-3.5, 3.5, 71)
    middle = ((grid[1:] + grid[:-1]) / 2).tolist()
    width = (grid[1] - grid[0]).item()
    density = (torch.histogram(xt.flatten().double(), grid.double())[0] / xt.numel() / width).tolist()
    normal = [math.exp(-m * m / 2) / math.sqrt(2 * math.pi) for m in middle]
    lines = {f"pixels of x_t at t = {t}": (middle, density), "standard normal": (middle, normal)}
    plots.line_plot(lines, "pixel value", "density", "forward_histogram")

    page.section("Two schedules")
    both = {"cosine": Schedule.cosine(), "linear": Schedule.linear()}
    ts = list(range(0, 1000, 5))
    plot_a, plot_b = st.columns(2)
    with plot_a:
        lines = {k: (ts, [s.alpha_bar(i) for i in ts]) for k, s in both.items()}
        plots.line_plot(lines, "t", "alpha_bar", "forward_alpha_bar", mark=t, mark_label=f"t = {t}")
    with plot_b:
        lines = {k: (ts, [s.snr(i) for i in ts]) for k, s in both.items()}
        plots.line_plot(lines, "t", "signal-to-noise", "forward_snr", mark=t, mark_label=f"t = {t}", log_y=True)
    st.caption(
        "The linear schedule destroys small pictures early and then spends hundreds of timesteps on pure noise; "
        "the cosine one spreads the loss evenly."
    )
    page.show_source(Schedule.add_noise, Schedule.cosine, Schedule.linear)
    page.things_to_try(
        lesson,
        [
            ("A digit at t = 500", {"picture_pedu": "digit", "t": 500}),
            ("The same t, linear schedule: how much less is left", {"schedule": "linear", "t": 500}),
            ("Where do you lose the cat? Start at t = 850 and go up", {"picture_pedu": "photo", "t": 850}),
            ("More pixels, same t: why is a large picture easier to make out?", {"size": 128, "t": 800}),
        ],
    )
