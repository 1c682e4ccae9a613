from lessons_lib.ui import controls, page, parts
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.playground import play, warm

with page.lesson_page("hybrids", models=None) as lesson:
    import numpy as np
    import streamlit as st
    import torch
    from PIL import Image

    from lessons_lib.denoisers import hybrid
    from lessons_lib.images import from_uint8, lowpass, to_uint8
    from lessons_lib.models import open_model
    from lessons_lib.openings import hybrid_prompts
    from lessons_lib.pictures import tiled
    from lessons_lib.ui.contact import contact_sheet
    from lessons_lib.ui.turntable import under_the_hand
    from lessons_lib.walks import gaussian_for, hybrids

    page.idea(
        "From afar you see only coarse shapes, from near the edges. So take the **low frequencies** of the noise estimate from one "
        "prompt and the **high frequencies** from another, at every step. The picture that comes out changes with your distance."
    )
    page.question(
        lesson.slug, "You raise sigma, the width of the Gaussian that splits the frequencies. Who gets more of the picture?",
        ["the far prompt", "the near prompt"],
        "The near prompt: a wider Gaussian lets fewer frequencies pass as low, so all the rest belongs to the near one.",
    )  # fmt: skip
    name = st.session_state["model"]
    warm(name)
    model = open_model(name)
    kernel_default, sigma_default = gaussian_for(model.shape[1])
    far_default, near_default = hybrid_prompts(name)
    left, right = st.columns([1, 2], gap="large")
    with left:
        far_prompt = controls.prompt(lesson.slug, model, name="far_prompt", default=far_default)
        near_prompt = controls.prompt(lesson.slug, model, name="near_prompt", default=near_default)
        for p in (far_prompt, near_prompt):
            parts.unknown_words_hint(model, p)
        kernel_size = controls.select_slider(
            lesson.slug, f"kernel_size_{name}", tuple(range(3, 34, 2)), min(kernel_default, 33), label="kernel_size"
        )
        sigma = controls.slider(lesson.slug, f"sigma_{name}", 0.2, 4.0, round(sigma_default, 1), 0.1, label="sigma")
        guidance_scale = controls.slider(lesson.slug, "guidance_scale", 1.0, 15.0, model.guidance_scale, 0.5)
        seed = controls.seed()
    about = {
        "model": model.title, "far_prompt": far_prompt, "near_prompt": near_prompt, "kernel_size": kernel_size, "sigma": sigma,
        "seed": seed, "guidance_scale": guidance_scale,
    }  # fmt: skip

    def walk():
        return hybrids(
            model,
            far_prompt,
            near_prompt,
            kernel_size=kernel_size,
            sigma=sigma,
            num_images=6,
            guidance_scale=guidance_scale,
            seed=seed,
        )

    with right:
        film = play(lesson.slug, name, about, walk, columns=3)
        if film is not None:
            made = film.about
            final = from_uint8(torch.from_numpy(film.final))
            far = lowpass(final, made["kernel_size"], made["sigma"] * 1.5)
            scores, captions = parts.two_readings(model, far, final, made["far_prompt"], made["near_prompt"])
            chosen = contact_sheet(film.final, captions, scores, made, f"hybrids_keep_{name}", parts.describe(made))
            if scores is not None:
                st.caption(
                    "Best first. The judge reads the far prompt in the blurred picture and the near one in the sharp; 1 is its first reading."
                )
    if film is not None:
        page.section("Step back")
        one, two = st.columns(2)
        alt = f"{made['model']}: from afar {made['far_prompt']}, from near {made['near_prompt']}"
        with one:
            under_the_hand(
                Image.fromarray(tiled(film.final[chosen : chosen + 1], 1)),
                "distance: slide, or press space",
                alt,
                "hybrids_hand",
                motion="shrink",
            )
        with two:
            picture = final[chosen : chosen + 1]
            low = lowpass(picture, made["kernel_size"], made["sigma"])
            both = to_uint8(torch.cat([low, (picture - low).clamp(-1, 1)])).numpy()
            parts.pictures_in_a_row(both, [f"low: {made['far_prompt']}", f"high: {made['near_prompt']}"], alt, wide=150)
            spectrum = torch.fft.fftshift(torch.fft.fft2(picture.mean(1)[0])).abs().log1p()
            shown = (255 * spectrum / spectrum.max()).round().to(torch.uint8).numpy()
            parts.picture(
                np.repeat(shown[..., None], 3, 2),
                "spectrum of the picture, low frequencies in the middle",
                "spectrum, log magnitude",
                wide=150,
            )
        page.section("Every step")
        filmstrip(film, f"{lesson.slug}_strip", columns=3, alt=parts.describe(made), wide=480)
        parts.downloads(film, f"hybrids-{name}-{seed}", columns=3)
        page.section("The equation")
        page.equation(r"\epsilon=\mathrm{lowpass}(\epsilon(x_t,p_{\text{far}}))+\mathrm{highpass}(\epsilon(x_t,p_{\text{near}}))")
        parts.microscope(film, model.schedule, f"{lesson.slug}_scope")
    page.show_source(hybrid, lowpass, hybrids)
    page.things_to_try(
        lesson,
        [
            ("A narrow Gaussian: the far prompt takes over", {f"sigma_{name}": 0.4}),
            ("A wide one: only a tint is left of it", {f"sigma_{name}": 3.5}),
        ],
    )
