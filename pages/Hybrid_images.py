"""Hybrid images: low frequencies by one prompt, high by another; a picture to step back from; spectra; every step."""

from lessons_lib.ui import controls, page, pictures, plots, stage
from lessons_lib.ui.microscope import microscope
from lessons_lib.ui.playground import meanwhile, play_pairs, warm

with page.lesson_page("hybrids", models=None) as lesson:
    import streamlit as st

    stage.begin()
    with stage.idea(
        "From afar you see only coarse shapes, from near the edges too. So take the **low frequencies** of the noise estimate from one prompt and "
        "the **high frequencies** from another, at every step. At 32 pixels there are few high frequencies, so look for the tendency."
    ):
        page.question(
            lesson.slug,
            "You raise sigma, the width of the Gaussian that splits the frequencies. Who gets more of the picture?",
            ["the far prompt", "the near prompt"],
            "A wider Gaussian lets fewer frequencies pass as low, so all the rest belongs to the near one.",
            right="the near prompt",
        )
    name = st.session_state["model"]
    with meanwhile(lesson.slug, name, columns=3):
        import torch

        from lessons_lib.lessons import hybrids
        from lessons_lib.lessons._common import seeds_of
        from lessons_lib.lessons._readings import read_both
        from lessons_lib.maths.denoisers import hybrid
        from lessons_lib.maths.images import blur, log_spectrum, lowpass, to_uint8
        from lessons_lib.models.opening import open_model
        from lessons_lib.ui.pictures import drag_picture

        model = open_model(name)
    warm(name)
    default = hybrids.about(model)
    settings, picture = stage.columns()
    with settings, stage.needs_run():
        far_prompt = controls.prompt(lesson.slug, model, name="far_prompt", default=default["far_prompt"])
        near_prompt = controls.prompt(lesson.slug, model, name="near_prompt", default=default["near_prompt"])
        for p in (far_prompt, near_prompt):
            pictures.unknown_words_hint(model, p)
        sigma = controls.slider(
            lesson.slug,
            f"sigma_{name}",
            0.2,
            4.0,
            default["sigma"],
            0.1,
            argument="sigma",
            label="width of the blur: sigma",
            help="pixels; the course's 2 at 64x64, scaled to this model's pictures",
        )
        with stage.more():
            kernel_size = controls.select_slider(
                lesson.slug,
                f"kernel_size_{name}",
                tuple(range(3, 34, 2)),
                default["kernel_size"],
                argument="kernel_size",
                help="pixels; the course's 33 at 64x64, scaled to this model's pictures",
            )
            guidance_scale = controls.slider(lesson.slug, "guidance_scale", 1.0, 15.0, model.guidance_scale, 0.5)
            num_images = controls.slider(lesson.slug, "num_images", 1, 8, 6, 1, help="each of its own seed: seed, seed + 1, ...")
            seed = controls.seed()
    asked = {"far_prompt": far_prompt, "near_prompt": near_prompt, "kernel_size": kernel_size, "sigma": sigma}
    about = hybrids.about(model, **asked, seed=seed, num_images=num_images, guidance_scale=guidance_scale)

    def sides_of(made):
        return f"{made['far_prompt']} (far)", f"{made['near_prompt']} (near)"

    def found_in(film):
        final, made = film.final_tensor(), film.about
        sides = made["far_prompt"], made["near_prompt"]
        return film.once("found", lambda: read_both(model, blur(final, made["sigma"]), final, *sides))

    with picture:
        film, chosen = play_pairs(
            lesson.slug,
            name,
            about,
            lambda: hybrids.walk(model, about),
            num_images=num_images,
            judge=model.judge,
            found_in=found_in,
            sides_of=sides_of,
            columns=3,
            scope=f"{lesson.slug}_scope",
        )
        if film is not None:
            made, final, found = film.about, film.final_tensor(), found_in(film)
            far = blur(final, made["sigma"])
            seeds, sides = seeds_of(made["seed"], len(film.final)), sides_of(made)
            if found:
                page.caption(
                    "After each prompt: as which of its readings **the judge** has it, the far one in the picture blurred by sigma, "
                    "the near one in the picture as it is, and how sure it is. The judge is a small classifier, trained on real "
                    "pictures; it must choose one of the things it knows."
                )
    tabs = stage.below(
        lesson.slug, "Things to try", "Step back", "One pixel", film is not None and found and "Which seeds work?", "Save", "Code"
    )
    if film is not None:
        with tabs["Step back"]:
            alt = f"{made['model']}, seed {seeds[chosen]}, from afar {made['far_prompt']}, from near {made['near_prompt']}"
            picture = final[chosen : chosen + 1]
            one, two = st.columns(2)
            with one:
                drag_picture(
                    [film.final[chosen]],
                    [f"from near: {made['near_prompt']}", f"from afar: {made['far_prompt']}"],
                    "distance: slide, drag the picture, or press space",
                    alt,
                    "hybrids_hand",
                    motion="shrink",
                )
            with two:
                low = lowpass(picture, made["kernel_size"], made["sigma"])
                apart = to_uint8(torch.cat([low, (picture - low).clamp(-1, 1)])).numpy()
                pictures.in_a_row(apart, [f"low: {made['far_prompt']}", f"high: {made['near_prompt']}"], alt, wide=150)
                spectra = to_uint8(2 * log_spectrum(torch.cat([low, picture - low, picture])) - 1).numpy()
                pictures.in_a_row(
                    spectra,
                    ["spectrum: low", "spectrum: high", "spectrum: whole"],
                    f"{alt}, log magnitude of its spectrum",
                    wide=100,
                )
                page.caption(
                    "In a spectrum the middle is the lowest frequency, the rim the highest; brightness is the log magnitude."
                )
                size = model.shape[2]
                page.caption(f"And at its real size, {size} pixels of your screen:")
                pictures.in_a_row(film.final[chosen : chosen + 1], [""], f"{alt}, at its real size", wide=size)
                if model.judge is not None:
                    near, afar = pictures.readings(model, torch.cat([picture, far[chosen : chosen + 1]]))
                    page.caption(f"What the judge reads first, from near{near}; from afar{afar}.")
        with tabs["One pixel"]:
            page.equation(r"\epsilon=\mathrm{lowpass}(\epsilon_{\text{far}})+\mathrm{highpass}(\epsilon_{\text{near}})")
            page.equation(r"\mathrm{highpass}(\epsilon)=\epsilon-\mathrm{lowpass}(\epsilon)")
            page.caption("lowpass is a Gaussian blur of kernel_size and sigma. Both estimates, one for each prompt, are guided.")
            microscope(film, model.schedule, f"{lesson.slug}_scope")
        if found:
            with tabs["Which seeds work?"]:
                plots.bars(found, seeds, sides, f"{lesson.slug}_bars")
        with tabs["Save"]:
            pictures.downloads(film, f"hybrids-{name}-{seed}", columns=3)
    with tabs["Code"]:
        page.show_source(hybrid, lowpass, hybrids.near_and_far, titled=False)
    with tabs["Things to try"]:
        page.things_to_try(
            lesson,
            [
                *(
                    (f"{far} from afar, {near} from near", {"far_prompt": far, "near_prompt": near})
                    for far, near in model.pairs_for("hybrids")[1:4]
                ),
                ("A narrow Gaussian: the far prompt takes over", {"sigma": 0.4}),
                ("A wide one: only a tint is left of it", {"sigma": 3.5}),
                ("Cut the Gaussian to 3 pixels: what does the kernel's size change?", {"kernel_size": 3}),
            ],
            titled=False,
        )
