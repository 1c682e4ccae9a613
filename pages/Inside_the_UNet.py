"""Inside the UNet: every block and feature map, measured by hooks on the network that runs."""

from lessons_lib.ui import controls, digits, page, pictures, plots, stage
from lessons_lib.ui.lessons import unet
from lessons_lib.ui.playground import meanwhile

NETWORKS = ("one_step", "time_conditioned", "class_conditioned", "flow_matching")
SKIPS = {"cut_28": "conv_in", "cut_14": "down1", "cut_7": "down2"}

with page.lesson_page("unet") as lesson:
    import streamlit as st

    stage.begin()
    with stage.idea(
        "The network behind every lesson of Part B is a U: it halves the picture twice, squeezes it to one number a channel, and builds "
        "it up again. **Skip connections** hand the details straight across. All of it is measured by hooks on the module that runs."
    ):
        page.question(
            lesson.slug,
            "Where does the network spend most of its multiplications?",
            ["in the middle, where it has most channels", "at 28 x 28, near the output", "evenly everywhere"],
            "Every channel is computed at 784 places there, and the skip connection doubles what comes in. The drawing shades each "
            "block by its multiply-adds (MA).",
            right="at 28 x 28, near the output",
        )

    settings_place, picture = digits.columns(lesson.slug)
    with settings_place, stage.live():
        cut = [
            start for name, start in SKIPS.items() if controls.toggle(lesson.slug, name, False, help="cut this skip connection")
        ]
    with settings_place, stage.more("which network"):
        network = controls.choice(lesson.slug, "network", NETWORKS, default="class_conditioned")
        D = controls.select_slider(
            lesson.slug, "num_hiddens", (8, 16, 32, 64, 128, 256), 64, help="D, of the drawing and its counts"
        )

    with picture, meanwhile(lesson.slug, "mnist"):
        import torch

        from lessons_lib.lessons import one_step
        from lessons_lib.lessons import unet as inside
        from lessons_lib.maths import metrics
        from lessons_lib.maths.images import to_uint8
        from lessons_lib.models import digits as networks
        from lessons_lib.models.unet import UNet

    with settings_place:
        network = digits.network_in_view(lesson.slug, network, digits.USED_IN[lesson.slug])
    kind = networks.KINDS[networks.last_settings(network).network if networks.is_own(network) else network]
    blocks = inside.architecture(D, **kind.conditions)
    names = [b.name for b in blocks]
    with picture:
        shipped = digits.ships(network)
    if shipped:
        net, settings = networks.network_at(network, networks.last_epoch(network))
        with settings_place, stage.live():
            first, t, last = settings.objective.times
            if kind.time:  # a flow's t is a number from 0 to 1, and has a slider of its own
                control, step = ("t", 1) if isinstance(last, int) else ("t_flow", 0.01)
                t = controls.slider(
                    lesson.slug, control, first, last, t, step, label="t", help="how noisy the picture is, and is said to be"
                )
            told = None
            if kind.classes:
                told = controls.choice(
                    lesson.slug, "class", [*digits.ALL_DIGITS, "none"], default="7", help="what the network is told"
                )
        with settings_place, stage.more("which digit"):
            x_uint8, name = digits.digit_in_view(lesson.slug)
            seed = controls.seed()
        labels = None if told in (None, "none") else [int(told)]
        question = inside.ask(settings, one_step.to_unit(x_uint8), labels, t, seed)
        whole = inside.look_inside(net, question.given, question.t, question.c)
        seen = inside.look_inside(net, question.given, question.t, question.c, cut) if cut else whole
    with picture:
        if shipped:
            guesses = {"clean guess": question.guess(whole.answer)}
            if cut:
                guesses["clean guess, skips cut"] = question.guess(seen.answer)
            captions = [f"{k}: PSNR {metrics.psnr(g, question.x0).item():.1f} dB" for k, g in guesses.items()]
            row = torch.cat([question.picture(), *guesses.values(), question.x0])
            pictures.in_a_row(to_uint8(row).numpy(), ["what it sees", *captions, "original"], name, wide=168)
            page.caption(f"live: {digits.which_epochs(network)}.")

    tabs = stage.below(
        lesson.slug,
        "Block by block",
        "Things to try",
        shipped and kind.time and "Where time and class enter",
        shipped and "What each skip is worth",
        "Inside the block",
        "All blocks as a table",
        "Code",
    )
    with tabs["Block by block"]:
        block = controls.choice(
            lesson.slug, "block", names, default="down2", help="or click one in the drawing; its feature maps are shown beside it"
        )
        drawing, maps = st.columns([5, 4], gap="medium")
        with drawing:
            unet.show_drawing(lesson.slug, blocks, block, cut)
        with maps:
            if shipped and block in seen.gives:
                unet.feature_maps(block, seen.gives[block][0].numpy(), f"{name}, {network}")
                page.caption("The drawing's D is free, the feature maps are those of the network above.")
    with tabs["Things to try"]:
        page.things_to_try(
            lesson,
            [
                ("Cut the skip at 28 x 28", {"cut_28": True}),
                ("Cut only the one at 7 x 7: what changes?", {"cut_7": True}),
                ("The bottleneck: one number a channel", {"block": "flatten"}),
                ("Tell it a 0 while it sees a 7", {"class": "0", "t": 200}),
                ("The course's one-step denoiser, D = 128", {"network": "one_step", "num_hiddens": 128}),
            ],
            titled=False,
        )
    if shipped and kind.time:
        with tabs["Where time and class enter"]:
            page.equation(inside.conditioning_latex(kind))
            place = controls.choice(lesson.slug, "place", ["1", "2"], help="1: after unflatten, 2: after up1")
            into = f"up{place}"
            before = {"1": "unflatten", "2": "up1"}[place]
            one, two = st.columns(2)
            with one:
                unet.feature_maps(before, seen.gives[before][0].numpy(), "before time and class", limit=32)
            with two:
                unet.feature_maps(f"into {into}", seen.conditioned(into)[0].numpy(), "after time and class", limit=32)
            ts, shift = inside.condition_by_time(net, f"time{place}")
            steps = [v * (settings.T if isinstance(last, int) else 1) for v in ts]
            plots.heatmap(
                shift.T.numpy(), steps, list(range(shift.shape[1])), "t", "channel", f"{lesson.slug}_times", middle=0, mark=t
            )
            does = "multiplied by" if kind.time == "scales" else "shifted by"
            page.caption(f"time{place}: what every channel is {does}, for every t; the dotted line is the t in view.")
            if kind.classes:
                scale = inside.condition_by_class(net, f"class{place}")
                plots.heatmap(
                    scale.numpy(),
                    list(range(scale.shape[1])),
                    [*digits.ALL_DIGITS, "none"],
                    "channel",
                    "class",
                    f"{lesson.slug}_classes",
                    middle=0,
                )
                page.caption(
                    f"class{place}: what every channel is multiplied by, for each digit and for no class; white switches a channel off."
                )
            effects = inside.effect_of_conditions(net, question)
            digits.table([{k: v if k == "told" else f"{v:.0%}" for k, v in row.items()} for row in effects])
            page.caption(
                "Tell it something else about the same picture: RMS change of the activations and of the answer, in % of theirs."
            )

    if shipped:
        with tabs["What each skip is worth"]:
            rows = digits.skip_damage(network, t)
            digits.table(rows)
            page.caption(
                f"Ten test digits{f' at t = {t:g}' if kind.time else ''}, one of each. loss: the mean squared error of what the "
                "network is to answer. A network that answers eps has to say where the noise lies, pixel by pixel, and only the skip at "
                "28 x 28 carries that: without it the answer is worse than answering 0 (loss 1). Zeros there were never trained on, so "
                "this is the damage of cutting, not what a network built without the skip would lose."
            )
    with tabs["Inside the block"]:
        st.markdown(f"**{block}**: its operations")
        unet.show_operations(next(b for b in blocks if b.name == block))
    with tabs["All blocks as a table"]:
        total, work = sum(b.parameters for b in blocks), sum(b.multiply_adds for b in blocks)
        one, two, three = st.columns(3)
        one.metric("parameters", f"{total:,}")
        two.metric("multiply-adds a pass", unet.short(work))
        three.metric("of them at 28 x 28", f"{sum(b.multiply_adds for b in blocks if b.gives[-1] == 28) / work:.0%}")
        digits.table(
            [
                {
                    "block": b.name,
                    "kind": b.kind,
                    "takes": " x ".join(map(str, b.takes)),
                    "gives": " x ".join(map(str, b.gives)),
                    "parameters": b.parameters,
                    "multiply-adds": b.multiply_adds,
                }
                for b in blocks
            ]
        )

    with tabs["Code"]:
        page.show_source(UNet.forward, inside.architecture, inside.Watched, inside.without_skips, titled=False)
