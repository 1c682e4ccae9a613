"""Three questions at the end of each lesson, with what is right and why. Without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """text: what is asked. options: two to four answers. right: which of them. why: said once an option is chosen."""

    text: str
    options: tuple[str, ...]
    right: str
    why: str


def _q(text: str, why: str, *options: str) -> Question:
    """An option that begins with "+" is the right one."""
    plain = tuple(o.removeprefix("+") for o in options)
    (right,) = (o.removeprefix("+") for o in options if o.startswith("+"))
    return Question(text, plain, right, why)


QUESTIONS: dict[str, tuple[Question, ...]] = {
    "what": (
        _q(
            "What does the network give back when it is shown a noisy picture?",
            "It guesses the noise. The picture is what is left when, step by step, that is taken away.",
            "the finished picture",
            "+its guess of the noise in it",
            "the words that fit it",
        ),
        _q(
            "In training, how is it known which noise is right?",
            "We made the noise ourselves and added it to a real picture, so the answer is known exactly. Nobody has to label anything.",
            "+we added it ourselves",
            "people look and mark it",
            "another network says so",
        ),
        _q(
            "The same words, but other noise to begin with. What comes out?",
            "Another picture of the same thing: the words say what, the noise says which one.",
            "the same picture",
            "+another picture of the same thing",
            "a picture of something else",
        ),
    ),
    "plane": (
        _q(
            "All 200 dots start at one place, and each gets fresh noise at every step (eta 1). Where do they land?",
            "In all four blobs: at eta 1 the noise added on the way decides, not the place where a dot started.",
            "all in one blob",
            "+in all four blobs",
            "between the blobs",
        ),
        _q(
            "Towards which place does a dot move in one step?",
            "Towards the mean of all the data it may have come from, each weighted by how likely that is.",
            "the nearest data point",
            "+the mean of the data it may have come from",
            "a data point drawn by dice",
        ),
        _q(
            "Here every answer is exact. What does guidance above 1 do to dots asked to walk to A?",
            "It pushes them past the middle of A, away from B. There is nothing to mend, so it only overshoots.",
            "they land nearer to A's middle",
            "+they land past A's middle",
            "nothing",
        ),
    ),
    "forward": (
        _q(
            "How many steps does it take to noise a clean picture to t = 500?",
            "One. A sum of Gaussian noises is again one Gaussian noise, so any timestep is one jump away.",
            "500",
            "+one",
            "as many as the walk back has",
        ),
        _q(
            "Which details drown first?",
            "The fine ones: a picture has little power at high frequencies, and white noise the same at all.",
            "+the fine ones",
            "the coarse ones",
            "all at once",
        ),
        _q(
            "Why is the picture made weaker while noise is added?",
            "So that the whole keeps its variance: the picture's share and the noise's share add up to 1 at every timestep.",
            "so that it looks darker",
            "+so that the variance of the whole stays the same",
            "because the noise is stronger at the start",
        ),
    ),
    "denoise": (
        _q(
            "Which of the three has the smallest squared error at much noise?",
            "One step: it paints the mean of all that could be there, and no other answer has a smaller squared error.",
            "Gaussian blur",
            "+one step",
            "many steps",
        ),
        _q(
            "And which looks most like a real picture there?",
            "Many steps: they decide for one of the pictures that could be hidden, and are sharper for it, right or wrong.",
            "Gaussian blur",
            "one step",
            "+many steps",
        ),
        _q(
            "Many steps turn a very noisy 3 into a clean 9. What went wrong?",
            "Nothing: at so much noise both could be hidden there, and the walk had to choose. The noise had destroyed which it was.",
            "the network is badly trained",
            "+nothing: the noise had destroyed which digit it was",
            "there were too many steps",
        ),
    ),
    "sampling": (
        _q(
            "50 steps instead of 20, the same seed, fresh noise at each step (eta = 1). What comes out?",
            "Another picture of the same thing: other noise is added on the way, and much of the picture is decided there.",
            "the same picture, sharper",
            "+another picture of the same thing",
            "the very same picture",
        ),
        _q(
            "And without fresh noise (eta = 0)?",
            "Nearly the same picture: then the first noise decides everything, and more steps follow the same path more closely.",
            "+nearly the same picture",
            "another picture of the same thing",
            "noise",
        ),
        _q(
            "What do more than 20 steps buy here, by the judge?",
            "Nothing: of twenty pictures as many are read right at 20 steps as at 50. They only take longer.",
            "clearly better pictures",
            "+nothing",
            "pictures that vary more",
        ),
    ),
    "guidance": (
        _q(
            "Where do the two answers that guidance compares come from?",
            "From one network, asked twice: with the prompt, and without one. In training its prompt was sometimes hidden.",
            "from two networks",
            "+from one network, asked with the prompt and without",
            "from a classifier",
        ),
        _q(
            "At which scale is the picture made with the prompt, but without guidance?",
            "At 1: there the sum is just the answer with the prompt. At 0 the prompt is not used at all.",
            "0",
            "+1",
            "3",
        ),
        _q(
            "What does scale 15 do to the text-to-image model's pictures?",
            "They burn out: contrast and clutter grow, and the judge reads only half of them as asked.",
            "they obey best of all",
            "they grow blurred",
            "+they burn out, and fewer are read as asked",
        ),
    ),
    "sdedit": (
        _q(
            "Which start keeps more of the original: i_start 1 or 20?",
            "20: the walk begins late, with little noise. At 1 nearly everything is noise.",
            "1",
            "+20",
            "both keep the same",
        ),
        _q(
            "Where does what the noise destroyed come from in the result?",
            "The network makes it up from what it learned, guided by the prompt. The noised picture no longer holds it.",
            "from the original, which is pasted in again",
            "+from what the network learned",
            "from the noise",
        ),
        _q(
            "You want a child's drawing made real but still in its shape. Which start?",
            "One in the middle: enough noise that the network may repaint, little enough that the shape survives.",
            "the earliest, nearly pure noise",
            "+one in the middle",
            "the latest, nearly no noise",
        ),
    ),
    "inpainting": (
        _q(
            "Why is the original noised before it is put back?",
            "So that the whole picture has the noise that the network expects at this timestep.",
            "to hide the seam",
            "+so that both parts carry the same noise",
            "it need not be",
        ),
        _q(
            "Was the network trained for inpainting?",
            "No. One line more in the walk does it: outside the mask the original is put back after every move.",
            "yes, on pictures with holes",
            "+no, it is one line more in the walk",
        ),
        _q(
            "What does walking each move several times mend?",
            "The seam: noised again by one move, both parts can still agree. For the text-to-image model it halves when each move is walked four times.",
            "+the seam between new and old",
            "the part outside the mask",
            "the speed",
        ),
    ),
    "anagrams": (
        _q(
            "Could the view be a blur?",
            "No: the network expects noise whose pixels are independent and equally strong. A blur makes neighbours alike.",
            "yes",
            "+no",
        ),
        _q(
            "What is done with the second answer, the one about the turned picture?",
            "It is turned back, and the mean of both is taken: then both speak of the same pixels.",
            "it is used at the next step",
            "+it is turned back, and the mean of both is taken",
            "the surer of the two is used",
        ),
        _q(
            "Two things that have no shape in common: what comes out?",
            "A compromise that is neither. The walk can only satisfy both where both are possible.",
            "both, one over the other",
            "+a compromise that is neither",
            "always the first",
        ),
    ),
    "hybrids": (
        _q(
            "What does one see from afar?",
            "The low frequencies: coarse shapes. Fine ones are too small for the eye from there.",
            "+the low frequencies",
            "the high frequencies",
            "both alike",
        ),
        _q(
            "You widen the Gaussian (sigma). Whose share grows?",
            "The near prompt's: fewer frequencies pass as low, and the rest is its own.",
            "the far prompt's",
            "+the near prompt's",
        ),
        _q(
            "What is split into low and high frequencies here?",
            "The noise estimates of the two prompts, at every step. The finished picture is never touched.",
            "two finished pictures",
            "+the noise estimates, at every step",
            "the first noise",
        ),
    ),
    "prompts": (
        _q(
            "What is a prompt to the network?",
            "A table of numbers, its embedding. A word that it was never taught has no useful place in it.",
            "+a table of numbers",
            "a list of letters",
            "a small picture",
        ),
        _q(
            "Half the embedding of one prompt and half of another: what is drawn, as a rule?",
            "One of the two, until the mixture tips over; near that place something in between.",
            "both things side by side",
            "+one of the two, or something in between",
            "only noise",
        ),
        _q(
            "Why are all seven mixtures walked from one noise?",
            "So that nothing but the mixture differs, and what changes is its doing.",
            "to save time",
            "+so that only the mixture differs",
            "because there is only one",
        ),
    ),
    "words": (
        _q(
            "In a red car in twemoji style, to which word does the network pay the most attention?",
            "To the thing. The measure over many prompts says so at every t.",
            "a",
            "+car",
            "style",
        ),
        _q(
            "Does most of the attention go to the words of the prompt?",
            "No: to the picture itself, and to the padding behind the words.",
            "yes, nearly all",
            "yes, about half",
            "+no, to the picture and the padding",
        ),
        _q(
            "One pair of thing and style was never taught. Can the model draw it all the same?",
            "Mostly: it knows the thing from other styles, and the style from other things. Most such pictures are read right.",
            "+mostly: it puts the two together",
            "no, it draws noise",
        ),
    ),
    "one_step": (
        _q(
            "Why is the cleaned digit smoother than the original?",
            "Squared error rewards the mean of all digits that could be under this noise, and a mean is smooth.",
            "the network has too few weights",
            "+squared error rewards the mean of what it could have been",
            "the noise was too weak",
        ),
        _q(
            "What does this network answer?",
            "The clean digit itself. Only in the lesson on time does the target become the noise.",
            "+the clean digit",
            "the noise",
            "the timestep",
        ),
        _q(
            "How is it told how noisy the digit is?",
            "Not at all: it was trained at sigma 0.5 and nothing else.",
            "by a number beside the picture",
            "+not at all",
            "by the brightest pixel",
        ),
    ),
    "out_of_its_depth": (
        _q(
            "A digit without any noise goes in. What does the network do?",
            "It changes it all the same: it was only ever scored on noisy digits, and scrubs whatever it gets.",
            "it returns it exactly",
            "+it changes it a little",
            "it returns noise",
        ),
        _q(
            "A network trained on pure noise alone: what does it answer?",
            "Nearly the average of all digits, whatever the noise: no other answer has a smaller squared error.",
            "a random digit",
            "black",
            "+nearly the average digit",
        ),
        _q(
            "What would let one network be at home at every noise level?",
            "To be trained at all of them, and told which it is looking at: the next lesson.",
            "more layers",
            "+training at all of them, and being told which",
            "a smaller learning rate",
        ),
    ),
    "time": (
        _q(
            "Told a t much smaller than the true one, what does the network leave?",
            "It believes the picture cleaner than it is, and takes noise for ink: extra strokes.",
            "+extra strokes",
            "a blurred digit",
            "the same digit",
        ),
        _q(
            "How does t enter this network?",
            "A small network turns t / T into one shift for every channel, at two places.",
            "as a further picture at the input",
            "+as a shift of every channel",
            "it is written into a corner pixel",
        ),
        _q(
            "At which t is the error smallest when the true t is 150?",
            "Near 150: to be told the truth is best. The measure on this page shows it.",
            "0",
            "+near 150",
            "it does not matter",
        ),
    ),
    "perfect": (
        _q(
            "A walk by the denoiser that is perfect for the training digits: where does it end?",
            "In a training digit, to the pixel: at little noise one of them has all the weight.",
            "at a new digit",
            "+at a training digit",
            "at the average digit",
        ),
        _q(
            "On test digits, whose error is smaller at all but the noisiest timesteps?",
            "The network's. The perfect one shows the nearest old digit, however little noise there is.",
            "+the network's",
            "the perfect denoiser's",
        ),
        _q(
            "How can one see that this network has not learned its training digits by heart?",
            "It errs on training and on test digits alike, and its samples are no nearer to training digits than test digits are.",
            "its loss is not zero",
            "+it errs on training and on test digits alike",
            "its digits are legible",
        ),
    ),
    "class": (
        _q(
            "Why is the class hidden in one training picture of ten?",
            "So that the same network also learns an answer without it, which guidance needs.",
            "to train faster",
            "+so that it also learns an answer without it",
            "so that it does not learn by heart",
        ),
        _q(
            "Which share of the digits is read right when the class is told, but not guided (scale 1)?",
            "About nine in ten. Guidance brings the others: the plot shows it.",
            "about one in ten",
            "+about nine in ten",
            "all of them",
        ),
        _q(
            "What does guidance cost here?",
            "Little: digits of one kind grow more alike, and strokes a little thicker.",
            "+some variety, and thicker strokes",
            "wrong digits",
            "nothing at all",
        ),
    ),
    "unet": (
        _q(
            "Where are most multiplications done?",
            "At 28 x 28, near the output: every channel is computed at 784 places there.",
            "in the middle, where channels are most",
            "+at 28 x 28, near the output",
            "evenly everywhere",
        ),
        _q(
            "What do the skip connections carry?",
            "Details: what the way down squeezed out, handed straight across to the way up.",
            "the class",
            "+the details",
            "the gradient alone",
        ),
        _q(
            "A network answers eps, and its skip at 28 x 28 is cut. What is its answer worth?",
            "Less than answering 0: it has to say where the noise lies pixel by pixel, and only that skip carries it.",
            "nearly as much as before",
            "half as much",
            "+less than answering 0",
        ),
    ),
    "train": (
        _q(
            "The loss has fallen fast and looks flat. Is the training over?",
            "No: the first fall is learning what noise looks like. Shapes come while the curve looks flat.",
            "yes",
            "+no, shapes come now",
            "it must be begun anew",
        ),
        _q(
            "Who tells the network what a 7 looks like?",
            "Nobody. It has to find out, because otherwise it could not guess the noise on a 7.",
            "the loss contains a picture of it",
            "+nobody",
            "the judge",
        ),
        _q(
            "Muon or Adam: whose loss is lower on the same digits here?",
            "Muon's, at every step that was measured. That is one network on one set of digits, not a law.",
            "+Muon's",
            "Adam's",
            "they are the same",
        ),
    ),
    "flow": (
        _q(
            "Every training path is straight. Are the paths that sampling follows?",
            "No: many training paths cross at every point, and the network learns their mean velocity, which bends.",
            "yes",
            "+no, they bend",
        ),
        _q(
            "How few Euler steps are enough here for nearly all digits to be read right (guidance 5)?",
            "Three. At two some are lost, so the last step counts.",
            "1",
            "+3",
            "50",
        ),
        _q(
            "DDPM with fixed_large fails in three steps. What is to blame?",
            "The noise put back at each move, which is sized for short moves. Walked without it (DDIM) the same network does it in three.",
            "the network",
            "+the noise put back at each move",
            "the digits",
        ),
    ),
    "solvers": (
        _q(
            "With five calls of the network, who comes nearest to where the equation leads?",
            "DPM-Solver++(2M), then Heun, then DDIM: it remembers its last move, and so gets its second order for one call a move.",
            "DDIM",
            "Heun",
            "+DPM-Solver++(2M)",
        ),
        _q(
            "And with one single call?",
            "All are equal: there is one move, straight to the guess, and nothing to remember or to look at again.",
            "+all are equal",
            "DDIM",
            "DPM-Solver++(2M)",
        ),
        _q(
            "A 7 is followed backwards to its noise, and forwards again told that it is a 2. What comes out?",
            "The 7: the noise that is found is no free noise. It is like the digit itself, which its correlation shows.",
            "a 2 in the same hand",
            "+the 7, nearly",
            "noise",
        ),
    ),
    "bugs": (
        _q(
            "Why are these mistakes hard to find?",
            "None of them raises an error: shapes and types are right, and the pictures are merely wrong.",
            "the code is long",
            "+none of them raises an error",
            "they happen at random",
        ),
        _q(
            "The sampler adds noise on the last move, too. What does one see?",
            "Grain on pictures that are right in all else: the last noise is never cleaned.",
            "nothing",
            "+grain on otherwise right pictures",
            "no digits at all",
        ),
        _q(
            "What is the first thing to compare when pictures are wrong?",
            "The same seed through code known to be right: then whatever differs is the bug's doing.",
            "another seed",
            "+the right walk from the same seed",
            "a longer training",
        ),
    ),
    "check": (
        _q(
            "What is uploaded to be checked?",
            "Only arrays: what your functions asked, drew and returned on known inputs. No code leaves your machine or is run here.",
            "your notebook",
            "+arrays that your functions returned",
            "the weights of your network",
        ),
        _q(
            "Your function returns the right shape and plausible numbers. Is it right?",
            "Not by that: all the mistakes of the bug lab do the same. It is right if its numbers agree, term by term.",
            "yes",
            "+that does not tell",
        ),
        _q(
            "Why does a stand-in answer in the network's place?",
            "Because its answers are known: then every number of the walk can be worked out and compared.",
            "it is faster on a GPU",
            "+its answers are known, so every number can be compared",
            "the network is secret",
        ),
    ),
}
"""slug -> its three. Hand in has none: nothing is taught there."""
