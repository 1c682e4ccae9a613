"""Solvers: the same network and noise under better and worse rules, at equal calls; and the walk backwards, from a picture."""

from lessons_lib.ui import controls, digits, page, pictures, plots, stage
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.playground import Take, meanwhile, play_each

NETWORK, FLOW, COLUMNS = "class_conditioned", "flow_matching", 10
CALLS = (1, 3, 5, 9, 15, 25, 51)


def lines_of(rows: list[dict], x: str, factor: float = 1.0) -> dict:
    """A measure's columns as lines over its column x."""
    return {k: ([r[x] for r in rows], [factor * r[k] for r in rows]) for k in rows[0] if k not in (x, "std", "correlation")}


with page.lesson_page("solvers") as lesson:
    import streamlit as st

    stage.begin()
    with stage.idea(
        "Without fresh noise, a walk follows an **equation**: at every point the network says where to go. Euler's rule trusts that for "
        "a whole move, and is DDIM. Heun's looks again where it arrives. DPM-Solver++(2M) remembers the move before. Who comes nearest "
        "for the same number of **calls of the network**?"
    ):
        page.question(
            lesson.slug,
            "In theory Euler's error halves when the moves are twice as many. And Heun's, which is of second order?",
            ["it halves too", "it falls to a quarter", "it stays"],
            "In theory to a quarter, for short moves on a smooth equation. On this network it falls faster than Euler's up to 25 calls, and "
            "no faster beyond: see *How near?*",
            right="it falls to a quarter",
        )

    settings, picture = stage.columns()
    with settings:
        with stage.needs_run():
            help = "of the network, a picture; odd, so that Heun can use them up"
            calls = int(controls.select_slider(lesson.slug, "calls", CALLS, 5, help=help))
            help = "1 is none; with guidance every call asks twice"
            scale = controls.slider(lesson.slug, "guidance_scale", 0.0, 10.0, 1.0, 0.5, help=help)
        with stage.more():
            seed = controls.seed()
    with picture, meanwhile(lesson.slug, "mnist", columns=COLUMNS):
        import torch

        from lessons_lib.lessons import solvers
        from lessons_lib.lessons._digits import DIGITS
        from lessons_lib.maths import metrics
        from lessons_lib.maths.images import from_uint8, to_uint8
        from lessons_lib.maths.solvers import DPM, invert, moves_of, solve

    films = {}
    with picture:
        shipped = digits.ships(NETWORK) and digits.ships(FLOW)
        if shipped:
            asked = list(DIGITS)
            takes = {}
            for solver in solvers.ALL:
                about = solvers.about(solver, calls=calls, guidance_scale=scale, seed=seed)
                moves = calls if solver == solvers.FLOW_EULER else moves_of(solver, calls)
                takes[f"{solver}, {moves} move{'s' * (moves != 1)}"] = Take(
                    about,
                    lambda about=about: solvers.walk(about),
                    solvers.OPENINGS[solver],
                    captions=lambda about: digits.asked_captions(asked),
                    finals=lambda film: digits.read_captions(film, asked),
                    marked=True,
                    each=digits.FIVE,
                )
            films = play_each(lesson.slug, "mnist", takes, stream_wide=290, side_by_side=False)
            page.caption(
                "All from the same noise; under each digit what the judge reads. The flow network follows another equation, in a "
                "straighter line: it is here as a yardstick."
            )
    film = next((f for title, f in films.items() if title.startswith(DPM)), None)

    tabs = stage.below(
        lesson.slug,
        "Things to try",
        shipped and "How near?",
        shipped and "What the judge reads",
        shipped and "Backwards",
        film and "Every move",
        "The equation",
        "Code",
    )
    with tabs["Things to try"]:
        page.things_to_try(
            lesson,
            [
                ("One call: every solver of diffusion is the same", {"calls": 1}),
                ("Three calls: Heun has but two moves", {"calls": 3}),
                ("Fifteen calls", {"calls": 15}),
                ("Three calls under guidance 5", {"calls": 3, "guidance_scale": 5.0}),
                ("Backwards in five steps, looking ahead three times", {"num_inference_steps": 5, "looks": "3"}),
            ],
            titled=False,
        )
    if shipped:
        with tabs["How near?"]:

            def draw_error(rows: list[dict], key: str) -> None:
                lines = lines_of(rows, "calls")
                plots.line_plot(lines, "calls of the network", "RMS distance", key, log_x=True, log_y=True, markers=True)

            plots.measured("solvers_error", "mnist", solvers.error_over_calls, draw_error, minutes="about two minutes")
            page.caption(
                "Twenty digits a point, without guidance and clipping. The distance is to where the equation itself leads: Heun's picture "
                "with 299 calls. With one call all make the same move. From three on, DPM-Solver++(2M) is nearest, then Heun, then DDIM. The "
                "last move, to the clean picture, is Euler's for all three."
            )
        with tabs["What the judge reads"]:

            def draw(rows: list[dict], key: str) -> None:
                lines = lines_of(rows, "calls", 100)
                plots.line_plot(lines, "calls of the network", "% read right", key, log_x=True, markers=True)

            plots.measured("solvers", "mnist", solvers.over_calls, draw, minutes="three to six minutes")
            page.caption(
                "A hundred digits a point, without guidance. From nine calls on the judge does not tell the three solvers apart: they are "
                "within three digits of a hundred. And it reads the blur of a single call best of all: that a picture can be read does not "
                "say that it is where the equation leads."
            )
        with tabs["Backwards"]:
            st.markdown(
                "The equation can be followed the other way: from a digit up to the noise that DDIM would have walked from. Walked down "
                "again it gives the digit back, nearly. Even told **another** digit it does: what is found is no free noise, but holds the "
                "digit itself."
            )
            one, two = st.columns([4, 9], gap="medium")
            with one:
                digit = int(controls.choice(lesson.slug, "digit", digits.ALL_DIGITS, default="7"))
                back_as = int(controls.choice(lesson.slug, "back_as", digits.ALL_DIGITS, default="2"))
                steps = int(controls.select_slider(lesson.slug, "num_inference_steps", (5, 10, 20, 30, 50, 100), 30))
                help = "at the end of a move, before it is made"
                looks = int(controls.choice(lesson.slug, "looks", ["1", "2", "3"], help=help))
                which = int(controls.slider(lesson.slug, "example", 0, digits.OF_EACH - 1, 0, 1))
            with two:
                x0 = from_uint8(torch.from_numpy(digits.shown_digits().digit(digit, which)))
                found = digits.there_and_back(digit, which, steps, looks, back_as)
                off = [metrics.mse(found[k], x0).sqrt().item() for k in ("back", "as another")]
                like = solvers.likeness(found["noise"], x0).item()
                row = torch.cat([x0, found["noise"], found["back"], found["as another"]]).clamp(-1, 1)
                captions = [
                    f"test digit {digit}",
                    f"its noise · std {found['noise'].std():.2f} · like it {like:.2f}",
                    f"back as {digit}: RMS {off[0]:.3f}",
                    f"back as {back_as}: RMS {off[1]:.3f}",
                ]
                pictures.in_a_row(to_uint8(row).numpy(), captions, "DDIM backwards and forwards", wide=112)
                page.caption(
                    "RMS distance to the digit, pixels in [-1, 1]. *Like it*: correlation with the digit, 0 for real noise, whose std is 1. "
                    "Without guidance and clipping, which cannot be undone."
                )

            def draw_inversion(rows: list[dict], key: str) -> None:
                lines = lines_of(rows, "num_inference_steps")
                plots.line_plot(lines, "steps each way", "RMS distance to the digit", key, log_x=True, log_y=True, markers=True)

            rows_of = solvers.inversion_over_steps
            plots.measured("solvers_inversion", "mnist", rows_of, draw_inversion, minutes="about three minutes")
            page.caption(
                "Twenty test digits a point. The more steps, the nearer to the digit; three looks ahead bring it nearer still. Told another "
                "digit, the walk still ends near the first."
            )
    if film is not None:
        with tabs["Every move"]:
            page.caption(DPM)
            filmstrip(film, f"{lesson.slug}_strip", columns=COLUMNS, alt=pictures.describe(film.about))
            pictures.downloads(film, f"solvers-{calls}-{seed}", columns=COLUMNS)
    with tabs["The equation"]:
        page.equation(
            r"\frac{d}{d\sigma}\,\frac{x_t}{\sqrt{\bar\alpha_t}}=\epsilon_\theta(x_t,t)\qquad"
            r"\sigma=\sqrt{\frac{1-\bar\alpha_t}{\bar\alpha_t}}"
        )
        page.caption(
            "Song et al. 2020, DDIM, eq. 14. From one sigma to the next along the slope found at its start: that is DDIM."
        )
    with tabs["Code"]:
        page.show_source(solve, invert, titled=False)
