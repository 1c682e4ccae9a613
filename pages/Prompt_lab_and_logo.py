"""Prompt lab and logo: what the model knows, mixtures of two prompts, and a logo of one's own words."""

from lessons_lib.ui import controls, page, pictures, stage, view
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.microscope import microscope
from lessons_lib.ui.playground import meanwhile, play, play_pairs, row_key, warm

with page.lesson_page("prompts", models=None) as lesson:
    import streamlit as st

    stage.begin()
    with stage.idea(
        "To the network a prompt is a table of numbers, its **embedding**. Words it was taught have their place in it, words it never "
        "met do not. Between two prompts lie mixtures that nobody ever wrote, and the network draws them too."
    ):
        page.question(
            lesson.slug,
            "Half the embedding of one prompt and half that of another, one noise. What comes out?",
            ["both things side by side", "something in between, or one of the two", "only noise"],
            "Mostly one of the two until the mixture tips over, with a few strange creatures where it does: drag the slider and look "
            "for the place.",
            right="something in between, or one of the two",
        )
    name = st.session_state["model"]
    with meanwhile(lesson.slug, name, columns=7):
        from lessons_lib.files.typed import quoted
        from lessons_lib.lessons import hybrids, prompts
        from lessons_lib.lessons._common import made_so, seeds_of
        from lessons_lib.lessons._readings import read_both
        from lessons_lib.maths.images import blur
        from lessons_lib.models.names import available
        from lessons_lib.models.opening import open_model
        from lessons_lib.ui.lessons.prompts import embeddings_of_ones_own, how_it_learned, print_size, what_the_model_knows
        from lessons_lib.ui.pictures import drag_picture

        model = open_model(name)
    warm(name)

    settings, picture = stage.columns()
    with (
        settings,
        st.container(key=f"{lesson.slug}_last"),
    ):  # below what can be set, but asked first: it says what there is to ask
        model, own_words = embeddings_of_ones_own(lesson.slug, model)

    def asked(argument: str, default: str) -> str:
        """A prompt to type, or one of the file's to choose."""
        if own_words:
            return controls.select(lesson.slug, f"own_{argument}", model.prompts, default=default, argument=argument)
        prompt = controls.prompt(lesson.slug, model, name=argument, default=default)
        pictures.unknown_words_hint(model, prompt)
        return prompt

    with settings, stage.needs_run():
        a, b = asked("from_prompt", model.prompts[0]), asked("to_prompt", model.prompts[1])
        first = controls.slider(lesson.slug, "first_share", 0.0, 1.0, 0.0, 0.05, help="of to_prompt, in the first picture")
        last = controls.slider(lesson.slug, "last_share", 0.0, 1.0, 1.0, 0.05, help="of to_prompt, in the last picture")
        guidance_scale = controls.slider(lesson.slug, "guidance_scale", 1.0, 15.0, model.guidance_scale, 0.5)
        seed = controls.seed()
    between = {"from_prompt": a, "to_prompt": b, "first_share": first, "last_share": last}
    about = prompts.about(model, **between, seed=seed, guidance_scale=guidance_scale)

    def shares_of(made):
        return [f"{w:.0%}" for w in prompts.shares(made)]

    with picture:
        wide = 4 * model.shape[2]
        film = play(lesson.slug, name, about, lambda: prompts.walk(model, about), captions=shares_of, stream_wide=wide)
        if film is not None:
            strip, alt, row = f"{lesson.slug}_strip", pictures.describe(film.about), row_key(lesson.slug, name)
            filmstrip(film, strip, scope=f"{lesson.slug}_scope", columns=7, alt=alt, row=row)
            said = f"One noise, seven mixtures: the share of {quoted(film.about['to_prompt'])} in the embedding"
            page.caption(f"{said}, and what the judge reads. {pictures.JUDGE}" if model.judge is not None else f"{said}.")
    tabs = stage.below(
        lesson.slug,
        "Things to try",
        "From one to the other",
        "A logo of your own",
        "What the model knows",
        "One pixel",
        "Save",
        "Code",
        walks={"logo": "A logo of your own", "large": "A logo of your own"},
    )
    with tabs["From one to the other"]:
        page.equation(r"c=(1-w)\,c_{\text{from}}+w\,c_{\text{to}}")
        page.caption(
            "The condition c is mixed, not the pictures; w is the share. All seven go through the network as one batch, from one "
            "noise and with eta = 0, so that nothing but w differs."
        )
        if film is not None:
            read = film.once("readings", lambda: pictures.readings(model, film.final_tensor()))
            drag_picture(
                list(film.final),
                [f"{share}{r}" for share, r in zip(shares_of(film.about), read, strict=True)],
                "share: slide, drag the picture, or press the arrow keys",
                pictures.describe(film.about),
                "prompts_hand",
                motion="step",
                start=50,
            )
    with tabs["A logo of your own"]:
        st.markdown(
            "A hybrid of two prompts, as on the Hybrid images page: one thing is seen from afar, another from near. Choose the words, "
            "keep the best of five, print it."
        )
        default = prompts.about_logo(model)
        far_default, near_default = model.prompts[:2] if own_words else (default["logo_far"], default["logo_near"])
        left, right = st.columns([1, 2], gap="large")
        with left:
            far, near = asked("logo_far", far_default), asked("logo_near", near_default)
            sigma = controls.slider(
                lesson.slug,
                f"logo_sigma_{name}",
                0.2,
                4.0,
                default["sigma"],
                0.1,
                argument="logo_sigma",
                help="pixels; the smaller, the more belongs to logo_far",
            )
            page.caption("seed and guidance_scale are those above.")
        words = {"logo_far": far, "logo_near": near, "sigma": sigma}
        logo_about = prompts.about_logo(model, **words, seed=seed, guidance_scale=guidance_scale)
        with right:

            def sides_of(made):
                return f"{made['logo_far']} (far)", f"{made['logo_near']} (near)"

            def found_in(film):
                final, made = film.final_tensor(), film.about
                sides = made["logo_far"], made["logo_near"]
                return film.once("found", lambda: read_both(model, blur(final, made["sigma"]), final, *sides))

            logo, chosen = play_pairs(
                lesson.slug,
                name,
                logo_about,
                lambda: prompts.walk_logo(model, logo_about),
                num_images=5,
                judge=model.judge,
                found_in=found_in,
                sides_of=sides_of,
                name="logo",
                opening="logo",
                shortcuts=False,
            )
        if logo is not None:
            made = logo.about
            seeds, final = seeds_of(made["seed"], len(logo.final)), logo.final_tensor()
            own = {**made, "seed": seeds[chosen], "num_images": 1}
            with left:
                drag_picture(
                    [logo.final[chosen]],
                    [f"from near: {made['logo_near']}", f"from afar: {made['logo_far']}"],
                    "distance: slide, drag the picture, or press space",
                    pictures.describe(own),
                    "prompts_logo_hand",
                    motion="shrink",
                )
            with right:
                larger = None
                if model.prompt_kind == "words":
                    with_stage2 = controls.toggle(
                        lesson.slug,
                        "stage2",
                        False,
                        help="let the second network enlarge the logo before its pixels become squares",
                    )
                    upscaler = model.upscaler() if with_stage2 else None
                    if upscaler is not None:
                        large_about = prompts.about_large(made, seeds[chosen])
                        words = "" if own_words else made["logo_near"]
                        small = final[chosen : chosen + 1]
                        larger = play(
                            lesson.slug,
                            name,
                            large_about,
                            lambda: prompts.walk_large(upscaler, large_about, small, words),
                            columns=1,
                            stream_wide=256,
                            channels=("xt",),
                            name="large",
                            opening="logo_large",
                            shortcuts=False,
                        )
                        if larger is not None and not made_so(larger, large_about):
                            larger = None  # of a logo chosen before
                        if larger is not None:
                            pictures.in_a_row(larger.final, ["stage 2"], pictures.describe(larger.about), wide=256)
                    elif with_stage2:
                        page.caption("No second stage ships for this model: the logo keeps its pixels.")
                best, text = (larger.final, larger.about) if larger is not None else (logo.final[chosen : chosen + 1], own)
                print_size(best, text, f"logo-{name}-{seeds[chosen]}")
    with tabs["What the model knows"]:
        if model.prompt_kind == "digit":
            st.info(
                "This model knows ten words, the digits. This lesson is made for the text-to-image model; blends and logos of digits "
                "work here all the same.",
                icon=":material/lightbulb:",
            )
            if "emoji" in available():
                st.page_link(
                    lesson.file,
                    label="Open this lesson on the small text-to-image model",
                    icon=":material/arrow_outward:",
                    query_params={**view.travelling(), "model": "emoji"},
                )
        elif model.vocabulary is not None:
            what_the_model_knows(lesson.slug)
            how_it_learned()
        else:
            st.markdown(
                "This model reads any words; where it runs on a file of embeddings, these are its prompts: "
                + ", ".join(quoted(p) for p in model.prompts[:40])
            )
    with tabs["One pixel"]:
        page.equation(r"\epsilon=\epsilon_u+\gamma\,(\epsilon(x_t,c)-\epsilon_u)")
        if film is not None:
            microscope(film, model.schedule, f"{lesson.slug}_scope")
    with tabs["Save"]:
        if film is not None:
            pictures.downloads(film, f"blend-{name}-{seed}", columns=7)
    with tabs["Code"]:
        page.show_source(prompts.mixtures, hybrids.near_and_far, titled=False)
    with tabs["Things to try"]:
        page.things_to_try(
            lesson,
            [
                ("Look closer at where the blend tips over", {"first_share": 0.3, "last_share": 0.7}),
                ("The same without guidance: does it tip as suddenly?", {"guidance_scale": 1.0}),
            ],
            titled=False,
        )
