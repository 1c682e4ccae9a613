"""The plane: diffusion, flow matching and guidance where every answer is known, all of it drawn by the browser."""

from lessons_lib.ui import page, stage
from lessons_lib.ui.lessons import plane

with page.lesson_page("plane") as lesson:
    stage.begin()
    with stage.idea(
        "200 dots of pure noise walk to where the data are. In two dimensions every answer is known exactly, so no network is "
        "asked: change anything and see at once what it does."
    ):
        page.question(
            lesson.slug,
            "200 dots start from the very same noise, and at every step each gets fresh noise of its own (eta 1). Where do they land?",
            ["together: they started together", "in all four blobs", "between the blobs"],
            "At eta 1 the noise added on the way decides. The second question beside the picture shows it, the third shows eta 0.",
            right="in all four blobs",
        )
    plane.stage()
    tabs = stage.below(
        lesson.slug,
        "Things to try",
        "Which noise decides",
        "Which paths bend",
        "What guidance does",
        page.solutions() and "The formulas",
    )
    with tabs["Things to try"]:
        page.things_to_try(
            lesson,
            [
                ("Draw data of your own", {"data": "your own", "at": 1.0}),
                ("Two moons in 3 steps: what is lost?", {"data": "two moons", "num_inference_steps": 3}),
                (
                    "Guidance 7 with fresh noise: do the dots find back?",
                    {"data": "two blobs", "label": "A", "guidance_scale": 7.0, "eta": 1.0},
                ),
                ("The score when half of the noise is gone", {"arrows": "score", "at": 0.5, "data": "ring"}),
            ],
            titled=False,
        )
    with tabs["Which noise decides"]:
        plane.who_decides()
    with tabs["Which paths bend"]:
        plane.bends()
    with tabs["What guidance does"]:
        plane.overshoots()
    if page.solutions():
        with tabs["The formulas"]:
            plane.formulas()
