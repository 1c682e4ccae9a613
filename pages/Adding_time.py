"""Adding time: one network for every noise level, through its training, and told the wrong timestep."""

from lessons_lib.ui import controls, digits, page, pictures, plots, stage
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.microscope import microscope
from lessons_lib.ui.playground import meanwhile, play

NETWORK, COLUMNS = "time_conditioned", 6


def truth_and_lie(about: dict) -> list[str]:
    return ["told the true t", f"t {about['lie']}, amount {about['amount']}"]


with page.lesson_page("time") as lesson:
    import streamlit as st

    stage.begin()
    with stage.idea(
        "One number is added: `t`, how noisy the picture is. A small network turns it into a shift for every channel, and the target "
        "becomes the noise `eps`. Now one network is at home at every noise level, and can walk: remove a little, look again."
    ):
        page.question(
            lesson.slug,
            "If the network is told t is half of what it is, what will the walk leave?",
            ["the same digits", "extra strokes", "blurred digits"],
            "It believes the picture cleaner than it is, and takes what is noise for ink. Told the picture is noisier than it is, it "
            "leaves grain instead. Try both under *Lie about t*: the switch really runs.",
            right="extra strokes",
        )

    settings_place, picture = stage.columns()
    with settings_place, stage.needs_run():
        steps = controls.select_slider(
            lesson.slug, "num_inference_steps", (10, 20, 30, 50, 100, 300), 30, help="300 is the course's, every timestep"
        )
        variance_type = controls.choice(
            lesson.slug,
            "variance_type",
            ["fixed_large", "fixed_small"],
            help="the noise put back at each move: beta, as the course has it, or the smaller posterior variance",
        )
        seed = controls.seed()

    with picture, meanwhile(lesson.slug, "mnist", columns=COLUMNS):
        from lessons_lib.lessons import time
        from lessons_lib.models import digits as networks
        from lessons_lib.models.objective import Eps
        from lessons_lib.models.unet import FCBlock, UNet

    with picture:
        shipped = digits.ships(NETWORK)
    film = None
    if shipped:
        with settings_place:
            network = digits.network_in_view(lesson.slug, NETWORK)
        epochs, settings = networks.three(network), networks.last_settings(network)
        same = {"network": network, "num_inference_steps": steps, "variance_type": variance_type, "seed": seed}
        about = time.about(**same)
        with picture:
            film = play(
                lesson.slug,
                "mnist",
                about,
                lambda: time.walk(about),
                each=COLUMNS,
                shape=(1, 28, 28),
                stream_wide=540,
                captions=lambda about: [networks.describe(e) for e in about["epochs"]],
                finals=lambda film: [networks.describe(e) for e in film.about["epochs"]],
            )
            page.caption(f"{digits.which_epochs(network)}. Every row starts from the same noise.")

    tabs = stage.below(
        lesson.slug,
        "Things to try",
        shipped and "Lie about t",
        film is not None and "Every step",
        film is not None and "One pixel",
        shipped and "Error over t",
        shipped and "Loss",
        "Code",
        walks={"lie": "Lie about t"},
    )
    with tabs["Things to try"]:
        page.things_to_try(
            lesson,
            [
                ("Frozen half way: every step believes the same t", {"lie": "frozen", "amount": 0}),
                ("Told it is noisier than it is: grain stays", {"lie": "shifted", "amount": 0.2}),
                ("A lie of 0: both rows must be equal", {"lie": "shifted", "amount": 0}),
                ("The course's full walk of 300 steps", {"num_inference_steps": 300}),
            ],
            titled=False,
        )
    if shipped:
        with tabs["Lie about t"]:
            left, right = st.columns([4, 9], gap="medium")
            with left:
                lie = controls.choice(
                    lesson.slug, "lie", list(time.LIES), default="scaled", help="what the network is told; see below"
                )
                amount = controls.slider(
                    lesson.slug, "amount", -1.0, 1.0, -0.5, 0.05, help="0 tells the truth, or freezes half way"
                )
                T = settings.T
                heard = {t: time.heard(lambda t: time.LIES[lie](t, amount, T), t, T) for t in (T - 1, T // 2, T // 10)}
                page.caption(" · ".join(f"at t = {t} it hears {h}" for t, h in heard.items()))
            about_lie = time.about_lie(lie=lie, amount=amount, **same)
            with right:
                lying = play(
                    lesson.slug,
                    "mnist",
                    about_lie,
                    lambda: time.walk_lie(about_lie),
                    name="lie",
                    shortcuts=False,
                    opening="time_lie",
                    each=COLUMNS,
                    shape=(1, 28, 28),
                    stream_wide=540,
                    captions=lambda about: truth_and_lie(about),
                    finals=lambda film: truth_and_lie(film.about),
                )
                if lying is not None:
                    page.caption(digits.two_halves(lying.final))

            def draw_lie(rows: list[dict], key: str) -> None:
                lines = {k: ([r["told"] for r in rows], [r[k] for r in rows]) for k in rows[0] if k != "told"}
                plots.line_plot(lines, "t as told to the network", "mean squared error of eps", key, log_y=True)

            digits.measured("time_lie", network, time.told_times, draw_lie, minutes="two to five seconds")
            page.caption("Each curve should be lowest where the told t is the true one: the network really listens to t.")

    if film is not None:
        with tabs["Every step"]:
            page.caption(f"rows: {', '.join(networks.describe(e) for e in film.about['epochs'])}")
            filmstrip(
                film, f"{lesson.slug}_strip", scope=f"{lesson.slug}_scope", columns=COLUMNS, alt=pictures.describe(film.about)
            )
            pictures.downloads(film, f"time-{seed}", columns=COLUMNS)
        with tabs["One pixel"]:
            microscope(film, settings.schedule, f"{lesson.slug}_scope")
    if shipped:
        with tabs["Error over t"]:

            def draw(rows: list[dict], key: str) -> None:
                lines = {k: ([r["t"] for r in rows], [r[k] for r in rows]) for k in rows[0] if k not in ("t", "x0_hat")}
                lines["the last one's error of x0_hat"] = ([r["t"] for r in rows], [r["x0_hat"] for r in rows])
                plots.line_plot(lines, "t", "mean squared error", key, log_y=True)

            digits.measured(lesson.slug, network, time.through_time, draw, minutes="two to five seconds")
            page.caption(
                "On test digits. Near t = 0 there is little noise to find in much picture, so `eps` is hardest to guess there; but "
                "the picture `x0_hat` that follows from it is then nearly right. At the noisy end it is the other way round."
            )
        with tabs["Loss"]:
            digits.loss_curve(network, f"{lesson.slug}_loss", epochs[-1])
            page.equation(
                r"L=\mathbb E_{x_0,t,\epsilon}\left\|\epsilon-\epsilon_\theta\!\left(\sqrt{\bar\alpha_t}\,x_0+"
                r"\sqrt{1-\bar\alpha_t}\,\epsilon,\;t/T\right)\right\|^2"
            )
            a = settings.schedule.alpha_bar(settings.T - 1)
            page.caption(
                f"A small lie the course itself tells: in training, the noisiest picture has alpha_bar = {a:.3f} and still holds "
                f"{a**0.5:.0%} of the digit's amplitude, while the walk starts from noise that holds none."
            )

    with tabs["Code"]:
        page.show_source(time.through_training, time.lied_to, Eps.loss, FCBlock, UNet.forward, titled=False)
