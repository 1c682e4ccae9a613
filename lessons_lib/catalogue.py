"""The lessons in teaching order, each one record: all lists, links, cards and checklists are made from this. Without torch."""

from __future__ import annotations

from dataclasses import dataclass

from lessons_lib.places import ROOT

PARTS = {"0": "Part 0 · the idea", "A": "Part A · a pretrained model", "B": "Part B · train your own"}
YEARS = (2024, 2025)
"""Of the course. Part A is the same in both; Part B walks by DDPM in 2024 and by flow matching in 2025."""

PIPELINE = {
    "noising": "picture + noise",
    "training": "training",
    "words": "words",
    "network": "network",
    "step": "less noise",
    "walk": "again",
    "picture": "picture",
}
"""The parts of the machine, in the order in which its picture has them: key -> words. See ui/page.py."""


@dataclass(frozen=True)
class Lesson:
    """One lesson.

    slug: its name in code, links and file names: lessons/SLUG.py, cache/openings/SLUG-MODEL.npz.
    page: its file in pages/, without ".py"; also its address. title, summary: for people.
    part: "0", "A", "B", or "" for the contents page. minutes: how long a learner takes.
    needs: slugs of the lessons that it builds on.
    wanted: what the course asks to be handed in of it in every year, a phrase each; wanted_2024, wanted_2025: in that year.
    networks: the digits' networks that it runs, beside the model that is chosen.
    parts: of PIPELINE, what it is about. seen: two sentences, what should have been seen at its end.
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
    parts: tuple[str, ...] = ()
    seen: str = ""

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
        "what",
        "What_is_a_diffusion_model",
        "What is a diffusion model?",
        "0",
        "Noise in, a picture out: the whole machine, moving.",
        minutes=10,
        parts=("words", "network", "step", "walk", "picture", "training", "noising"),
        seen=(
            "The network never draws: it only says which part of a noisy picture is noise, and a little of that is taken "
            "away, again and again. Other noise makes another picture of the same words, and other words another thing "
            "from the same noise."
        ),
    ),
    Lesson(
        "plane",
        "The_plane",
        "The plane",
        "0",
        "200 dots walk from noise to data, and every answer is known.",
        minutes=15,
        needs=("what",),
        parts=("step", "walk"),
        seen=(
            "One rule moves every dot, towards the mean of the data it may have come from: at eta 1 the noise added on "
            "the way decides where it lands, at eta 0 the first noise does. Straight paths average to bent ones, and "
            "guidance pushes past the middle."
        ),
    ),
    Lesson(
        "forward",
        "Forward_noising",
        "Forward noising",
        "A",
        "Destroy a picture, one exact formula at a time.",
        minutes=10,
        needs=("what",),
        wanted=("the picture noised to t = 250, 500, 750",),
        parts=("noising",),
        seen=(
            "One jump leads to any timestep: a share of the picture plus a share of noise, and fine details drown first. "
            "At t = 500 of 1000 on the cosine schedule about half of the variance is still the picture's."
        ),
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
        parts=("network", "step"),
        seen=(
            "One step paints the mean of all pictures that could be hidden there: the least squared error, and at much "
            "noise a blur. Many steps decide for one of them: a larger error, and a sharper picture."
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
        parts=("walk", "picture"),
        seen=(
            "Nothing but noise is enough to begin with, and beyond 20 steps the pictures are read no better. With fresh "
            "noise on the way (eta 1) 20 and 50 steps make two pictures of the same thing; without it (eta 0) the first "
            "noise decides, and more steps only refine."
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
        parts=("words", "network"),
        seen=(
            "Up to a scale of 3 or 5 guidance makes the pictures of a prompt more alike. Beyond, contrast and clutter "
            "grow, and of the text-to-image model's pictures fewer are read as asked."
        ),
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
        parts=("noising", "walk"),
        seen=(
            "The less noise the original gets, the nearer to it the walk ends. What the noise destroyed, the network "
            "makes up from what it has learned, with the prompt for a guide."
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
        parts=("step",),
        seen=(
            "Outside the mask the result is the original to the bit, inside it is new. Walked once, the text-to-image "
            "model's new part often does not fit; each move walked several times, the seam shrinks."
        ),
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
        parts=("words", "network"),
        seen=(
            "Two prompts can share one picture where their things have a shape in common; elsewhere the walk ends at a "
            "compromise. The view must leave noise noise: turning and shuffling do, a blur does not."
        ),
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
        parts=("words", "network"),
        seen=(
            "One prompt gets the low frequencies of the noise estimate, the other the high ones, and a wider Gaussian "
            "gives more to the near one. Of the pictures that the page opens with, the judge reads at least one both "
            "ways."
        ),
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
        parts=("words",),
        seen=(
            "To the network a prompt is a table of numbers, and between two tables it draws what nobody ever wrote. A "
            "blend begins as the one thing and ends as the other; most mixtures look like one of the two."
        ),
    ),
    Lesson(
        "words",
        "What_each_word_does",
        "What each word does",
        "A",
        "Where the network looks, word by word and step by step.",
        minutes=15,
        needs=("prompts",),
        parts=("words", "network"),
        seen=(
            "At each place the network divides its attention among the words, the padding and the picture itself; of all words the "
            "thing gets the most. Leave the thing out and it is another picture; leave out a small word and little changes."
        ),
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
        parts=("training", "network"),
        seen=(
            "One pass takes the noise away and leaves the digit smoother than it was, because squared error rewards the "
            "mean of all digits it could have been. More epochs help: after the fifth the error is smaller than after the "
            "first."
        ),
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
        parts=("network",),
        seen=(
            "The network does what it was scored on and nothing else: it changes a digit that has no noise at all, and "
            "from about three times the noise it knows it does worse than a blind guess. Trained on noise alone, it "
            "answers with nearly the average digit."
        ),
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
        parts=("network", "walk"),
        seen=(
            "Told how noisy the picture is, one network is at home at every noise level, and can walk. Told a wrong t, it "
            "takes noise for ink or leaves grain: its error is smallest near the true t."
        ),
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
        parts=("training", "network"),
        seen=(
            "What is best for the training digits is a mean of them, each weighted by how likely it became this noisy "
            "picture, and a walk by it ends in one of them, to the pixel. The network misses that optimum, errs on new "
            "digits as little as on old ones, and so its samples are no copies."
        ),
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
        parts=("words", "training"),
        seen=(
            "Told the digit, the network draws the one asked for: most are read right at guidance 1, and guidance brings the "
            "last few. The price is small here: digits of one kind grow more alike, and strokes thicker."
        ),
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
        parts=("network",),
        seen=(
            "Most multiplications are done at 28 x 28, near the output, and the skip connections carry the details there. "
            "Without the one at 28 x 28 the network can no longer say where the noise lies."
        ),
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
        parts=("training",),
        seen=(
            "The loss falls fast at first, while the samples are blobs; shapes come while the curve looks flat. On the "
            "same digits Muon's loss stays below Adam's from the first measured step on."
        ),
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
        parts=("step", "walk"),
        seen=(
            "Straight paths average to bent ones, and still three Euler steps draw digits that nearly all are read right. "
            "Walked without fresh noise (DDIM), the diffusion network needs hardly more; what spoils few steps of DDPM is the "
            "noise put back."
        ),
    ),
    Lesson(
        "solvers",
        "Solvers",
        "Solvers",
        "B",
        "DDIM, Heun, DPM-Solver++: who comes nearest at equal calls.",
        minutes=15,
        needs=("flow",),
        networks=("class_conditioned", "flow_matching"),
        parts=("network", "step", "walk"),
        seen=(
            "Without fresh noise a walk follows an equation, and DDIM is the simplest way to solve it: for as many calls of the "
            "network, DPM-Solver++(2M) comes nearest to where it leads, then Heun. Followed backwards, it finds a noise that still "
            "holds the digit."
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
        parts=("training", "step"),
        seen=(
            "None of these mistakes raises an error: only the pictures tell. Each has a symptom of its own, which you now "
            "know when you see it in your own work."
        ),
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
        parts=("noising", "step", "training"),
        seen=(
            "Only the numbers that your functions returned were read, never their code. What differs is named as one of "
            "the classic mistakes, or said to be none that is known."
        ),
    ),
    Lesson(
        "hand_in",
        "Hand_in",
        "Hand in",
        "B",
        "Everything you made, on the course's checklist.",
        minutes=10,
        seen=(
            "Everything you made stands in one file, with the settings and the networks that made it. The ZIP can be "
            "taken back, and the work goes on."
        ),
    ),
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
