"""The lessons in teaching order, each one record: all lists, links, cards and checklists are made from this. Without torch."""

from __future__ import annotations

from dataclasses import dataclass

from lessons_lib.places import ROOT

PARTS = {"A": "Part A · a pretrained model", "B": "Part B · train your own"}
YEARS = (2024, 2025)
"""Of the course. Part A is the same in both; Part B walks by DDPM in 2024 and by flow matching in 2025."""


@dataclass(frozen=True)
class Lesson:
    """One lesson.

    slug: its name in code, links and file names: lessons/SLUG.py, cache/openings/SLUG-MODEL.npz.
    page: its file in pages/, without ".py"; also its address. title, summary: for people.
    part: "A", "B", or "" for the contents page. minutes: how long a learner takes.
    needs: slugs of the lessons that it builds on.
    wanted: what the course asks to be handed in of it in every year, a phrase each; wanted_2024, wanted_2025: in that year.
    networks: the digits' networks that it runs, beside the model that is chosen.
    """

    slug: str
    page: str
    title: str
    part: str
    summary: str
    minutes: int = 0
    needs: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    wanted_2024: tuple[str, ...] = ()
    wanted_2025: tuple[str, ...] = ()

    def wanted_in(self, year: int) -> tuple[str, ...]:
        """What the course of that year asks to be handed in of it. Raises KeyError for a year that is none of YEARS."""
        return self.wanted + {2024: self.wanted_2024, 2025: self.wanted_2025}[year]

    @property
    def file(self) -> str:
        """The page's path below the project's folder."""
        return f"pages/{self.page}.py" if self.part else f"{self.page}.py"


HOME = Lesson("home", "Home", "Diffusion, Step by Step", "", "The map of the lessons.")

LESSONS = (
    Lesson(
        "plane",
        "The_plane",
        "The plane",
        "A",
        "200 dots walk from noise to data, and every answer is known.",
        minutes=15,
    ),
    Lesson(
        "forward",
        "Forward_noising",
        "Forward noising",
        "A",
        "Destroy a picture, one exact formula at a time.",
        minutes=10,
        wanted=("the picture noised to t = 250, 500, 750",),
    ),
    Lesson(
        "denoise",
        "Three_ways_to_denoise",
        "Three ways to denoise",
        "A",
        "Gaussian blur, one step, many steps: the same noisy picture.",
        minutes=15,
        needs=("forward",),
        wanted=(
            "Gaussian blur of the noised picture",
            "one-step denoising",
            "iterative denoising, and all three side by side",
        ),
    ),
    Lesson(
        "sampling",
        "From_noise_to_image",
        "From noise to image",
        "A",
        "Start from nothing but noise; make it small, then larger.",
        minutes=15,
        needs=("denoise",),
        wanted=(
            "three prompts through both stages, at 20 and at 50 steps",
            "five pictures from pure noise, without guidance",
        ),
    ),
    Lesson(
        "guidance",
        "Classifier_free_guidance",
        "Classifier-free guidance",
        "A",
        "Push the picture towards the prompt, and see what it costs.",
        minutes=15,
        needs=("sampling",),
        wanted=("five pictures under guidance", "the strip over gamma from one seed"),
    ),
    Lesson(
        "sdedit",
        "Image_to_image",
        "Image to image",
        "A",
        "Noise a picture a little, walk back: SDEdit.",
        minutes=15,
        needs=("guidance",),
        wanted=(
            "i_start 1, 3, 5, 7, 10, 20 and the original",
            "the same on a drawing and on an upload",
            "the same with a prompt",
        ),
    ),
    Lesson(
        "inpainting",
        "Inpainting",
        "Inpainting",
        "A",
        "Only what you paint over is made anew.",
        minutes=10,
        needs=("guidance",),
        wanted=("original, mask, region to replace, result",),
    ),
    Lesson(
        "anagrams",
        "Visual_anagrams",
        "Visual anagrams",
        "A",
        "One picture, two readings: turn it and see.",
        minutes=10,
        needs=("guidance",),
        wanted=("a picture that two prompts read, as it is and turned",),
    ),
    Lesson(
        "hybrids",
        "Hybrid_images",
        "Hybrid images",
        "A",
        "One thing from near, another from afar.",
        minutes=10,
        needs=("anagrams",),
        wanted=("a picture that is one thing from near and another from afar",),
    ),
    Lesson(
        "prompts",
        "Prompt_lab_and_logo",
        "Prompt lab and logo",
        "A",
        "What the model knows; a logo from your own words.",
        minutes=20,
        needs=("guidance", "hybrids"),
        wanted=("a logo from own prompts",),
    ),
    Lesson(
        "one_step",
        "One_step_denoiser",
        "One-step denoiser",
        "B",
        "A UNet that cleans a digit in one go.",
        minutes=10,
        needs=("forward",),
        wanted=("a digit at sigma 0, .2, .4, .5, .6, .8, 1", "the training loss", "test digits cleaned after epochs 1 and 5"),
        networks=("one_step",),
    ),
    Lesson(
        "out_of_its_depth",
        "Out_of_its_depth",
        "Out of its depth",
        "B",
        "The same UNet on noise it was never trained on.",
        minutes=10,
        needs=("one_step",),
        wanted=("the trained denoiser at the other sigmas",),
        networks=("one_step", "pure_noise"),
        wanted_2025=("the denoiser trained on pure noise: loss, samples after epochs 1 and 5, and why they look so",),
    ),
    Lesson(
        "time",
        "Adding_time",
        "Adding time",
        "B",
        "Tell the network how noisy the picture is, and it can walk.",
        minutes=15,
        needs=("out_of_its_depth",),
        networks=("time_conditioned",),
        wanted_2024=("the training loss", "samples after epochs 1, 5 and 20"),
    ),
    Lesson(
        "perfect",
        "The_perfect_denoiser",
        "The perfect denoiser",
        "B",
        "What is best for the training digits, and why it only copies.",
        minutes=15,
        needs=("time",),
        networks=("time_conditioned",),
    ),
    Lesson(
        "class",
        "Adding_class",
        "Adding class",
        "B",
        "Tell it which digit you want.",
        minutes=10,
        needs=("time", "guidance"),
        networks=("class_conditioned",),
        wanted_2024=("the training loss", "four of each digit after epochs 5 and 20, at guidance 5"),
    ),
    Lesson(
        "unet",
        "Inside_the_UNet",
        "Inside the UNet",
        "B",
        "Every block, every feature map of the digit in view.",
        minutes=15,
        needs=("class",),
        wanted=("the UNet's blocks and shapes",),
        networks=("one_step", "time_conditioned", "class_conditioned"),
    ),
    Lesson(
        "train",
        "Train_on_MNIST",
        "Train on MNIST",
        "B",
        "Press Train and watch digits emerge.",
        minutes=20,
        needs=("class",),
        wanted=("a training of one's own: loss and samples",),
    ),
    Lesson(
        "flow",
        "Flow_matching",
        "Flow matching",
        "B",
        "Straight paths from noise to digit.",
        minutes=20,
        needs=("class",),
        networks=("flow_matching", "class_conditioned"),
        wanted_2025=(
            "the time-conditioned flow: loss, samples after epochs 1, 5 and 10",
            "the class-conditioned flow: loss, four of each digit after epochs 1, 5 and 10, at guidance 5",
            "the same quality without the learning rate scheduler, and what made up for it",
        ),
    ),
    Lesson(
        "bugs",
        "Bug_lab",
        "Bug lab",
        "B",
        "The classic mistakes, to be caught by their symptoms.",
        minutes=15,
        needs=("class",),
        wanted=("a bug caught by its symptom",),
        networks=("class_conditioned",),
    ),
    Lesson(
        "check",
        "Check_my_code",
        "Check my code",
        "B",
        "Your arrays against the right ones, term by term.",
        minutes=20,
        needs=("bugs",),
        wanted=("one's own functions checked",),
    ),
    Lesson("hand_in", "Hand_in", "Hand in", "B", "Everything you made, on the course's checklist.", minutes=10),
)
"""In teaching order."""


def lesson(slug: str) -> Lesson:
    """The record of a slug. Raises KeyError if there is no such lesson."""
    try:
        return next(x for x in (HOME, *LESSONS) if x.slug == slug)
    except StopIteration:
        raise KeyError(slug) from None


def written() -> list[Lesson]:
    """The lessons whose page stands in this checkout."""
    return [x for x in LESSONS if (ROOT / x.file).exists()]
