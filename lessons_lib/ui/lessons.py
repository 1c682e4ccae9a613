"""The lessons in teaching order: the one list that the sidebar, the contents page and the links are made from."""

from __future__ import annotations

from dataclasses import dataclass

from lessons_lib.places import ROOT


@dataclass(frozen=True)
class Lesson:
    """slug: names kept pictures and downloads. file: below the project's folder. part: "A", "B" or "" for the contents page."""

    slug: str
    file: str
    title: str
    part: str
    summary: str

    @property
    def exists(self) -> bool:
        return (ROOT / self.file).exists()


PARTS = {"A": "Part A · a pretrained model", "B": "Part B · train your own"}

LESSONS = (
    Lesson("home", "Home.py", "Diffusion, Step by Step", "", "The map of the lessons."),
    Lesson("forward", "pages/1_Forward_noising.py", "Forward noising", "A", "Destroy a picture, one exact formula at a time."),
    Lesson(
        "denoise",
        "pages/2_Three_ways_to_denoise.py",
        "Three ways to denoise",
        "A",
        "Gaussian blur, one step, many steps: the same noisy picture.",
    ),
    Lesson(
        "sampling",
        "pages/3_From_noise_to_image.py",
        "From noise to image",
        "A",
        "Start from nothing but noise; make it small, then larger.",
    ),
    Lesson(
        "guidance",
        "pages/4_Classifier_free_guidance.py",
        "Classifier-free guidance",
        "A",
        "Push the picture towards the prompt, and see what it costs.",
    ),
    Lesson("sdedit", "pages/5_Image_to_image.py", "Image to image", "A", "Noise a picture a little, walk back: SDEdit."),
    Lesson("inpainting", "pages/6_Inpainting.py", "Inpainting", "A", "Only what you paint over is made anew."),
    Lesson("anagrams", "pages/7_Visual_anagrams.py", "Visual anagrams", "A", "One picture, two readings: turn it and see."),
    Lesson("hybrids", "pages/8_Hybrid_images.py", "Hybrid images", "A", "One thing from near, another from afar."),
    Lesson(
        "prompts",
        "pages/9_Prompt_lab_and_logo.py",
        "Prompt lab and logo",
        "A",
        "What the model knows; a logo from your own words.",
    ),
    Lesson("unet", "pages/10_Inside_the_UNet.py", "Inside the UNet", "B", "Every block, every feature map of the digit in view."),
    Lesson("train", "pages/11_Train_on_MNIST.py", "Train on MNIST", "B", "Press Train and watch digits emerge."),
    Lesson("one_step", "pages/12_One_step_denoiser.py", "One-step denoiser", "B", "A UNet that cleans a digit in one go."),
    Lesson(
        "out_of_its_depth",
        "pages/13_Out_of_its_depth.py",
        "Out of its depth",
        "B",
        "The same UNet on noise it was never trained on.",
    ),
    Lesson("time", "pages/14_Adding_time.py", "Adding time", "B", "Tell the network how noisy the picture is, and it can walk."),
    Lesson("class", "pages/15_Adding_class.py", "Adding class", "B", "Tell it which digit you want."),
    Lesson("flow", "pages/16_Flow_matching.py", "Flow matching", "B", "Straight roads from noise to digit."),
    Lesson("bugs", "pages/17_Bug_lab.py", "Bug lab", "B", "The classic mistakes, to be caught by their symptoms."),
    Lesson("check", "pages/18_Check_my_code.py", "Check my code", "B", "Your arrays against the right ones, term by term."),
    Lesson("hand_in", "pages/19_Hand_in.py", "Hand in", "B", "Everything you made, on the course's checklist."),
)


def lesson(slug: str) -> Lesson:
    return next(x for x in LESSONS if x.slug == slug)


def written() -> list[Lesson]:
    """The lessons whose page stands in this checkout."""
    return [x for x in LESSONS if x.part and x.exists]
