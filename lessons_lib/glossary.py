"""The words of the lessons and what they mean, in one place: README's table and what appears on the pages are made from it."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """symbol: LaTeX, "" for a word. code: its name in the code, "" if it has none. meaning: plain words, one sentence.

    said: how it stands in running text, where its meaning is offered; () if nowhere.
    """

    symbol: str
    code: str
    meaning: str
    said: tuple[str, ...] = ()


GLOSSARY = (
    Term("x_0", "x0", "the clean picture, values in [-1, 1]", ("`x0`",)),
    Term("x_t", "xt", "the picture noised to timestep t", ("`x_t`",)),
    Term("t", "t", "timestep: 0 is nearly clean, T - 1 almost pure noise", ("`t`", "timestep", "timesteps")),
    Term("T", "Schedule.T", "number of timesteps"),
    Term(r"\epsilon", "eps", "Gaussian noise, and the network's estimate of it", ("`eps`",)),
    Term(r"\hat x_0", "x0_hat", "the clean picture that xt seems to come from", ("`x0_hat`",)),
    Term(
        r"\bar\alpha_t",
        "alphas_cumprod[t], alpha_bar(t)",
        "how much of the picture's variance is left at t",
        ("`alpha_bar`", "`alpha_bar_t`"),
    ),
    Term(r"\alpha, \beta", "Schedule.move(t, t_prev)", "of one (strided) move: alpha_bar_t / alpha_bar_t', and 1 - alpha"),
    Term(
        r"\gamma",
        "guidance_scale",
        "how far past the conditional answer to go; the paper's w is gamma - 1",
        ("`guidance_scale`", "**guidance_scale**"),
    ),
    Term(r"\eta", "eta", "how much of a step's noise is fresh: 1 DDPM, 0 DDIM", ("`eta`", "eta 1", "eta 0")),
    Term("v", "velocity", "sqrt(abar) eps - sqrt(1 - abar) x0, what the small model predicts"),
    Term(r"\sigma", "sigma", "a noise's (or a Gaussian blur's) standard deviation, and nothing else", ("`sigma`",)),
    Term("D", "num_hiddens", "width of the digits' UNet"),
    Term("", "index, i_start", "a place in the walk's list of timesteps", ("**i_start**",)),
    Term("", "walk", "one run of a sampler, from noise or from a noised picture", ("walk", "walks")),
    Term("", "film", "a recorded walk: its frames, and the numbers of one picture for the microscope"),
    Term("", "judge", "a classifier trained on real pictures alone, which says what a generated one is read as", ("judge",)),
    Term("", "", "the first of the random numbers: the same seed gives the same noise", ("**seed**",)),
    Term("", "", "a network that halves a picture, squeezes it, and builds it up again, with bridges across", ("UNet",)),
    Term("", "", "noise whose values are drawn from the bell curve, each pixel for itself", ("Gaussian noise",)),
    Term("", "", "the squares of all differences, added up and divided by their number", ("squared error", "mean squared error")),
    Term("", "", "what a prompt is to the network: a table of numbers", ("**embedding**", "embedding")),
    Term("", "", "a list that is 1 at one place and 0 at all others", ("one-hot vector",)),
    Term("", "", "asking with the prompt and without, and going beyond the first answer, away from the second", ("guidance",)),
    Term("", "", "coarse shapes, which are still seen from afar", ("low frequencies", "**low frequencies**")),
    Term("", "", "edges and fine details, which are only seen from near", ("high frequencies", "**high frequencies**")),
    Term("", "", "for flow matching: the direction and speed from noise to picture", ("**velocity**",)),
    Term("", "", "one straight piece of the way, along the velocity at its beginning", ("Euler steps",)),
)

_BY_WORDS = {words: term for term in GLOSSARY for words in term.said}
_ANY = re.compile(r"(?<![\w`*])(" + "|".join(re.escape(w) for w in sorted(_BY_WORDS, key=len, reverse=True)) + r")(?![\w`*])")


def explained(markdown: str) -> str:
    """A text (our own, never a visitor's) in which each term, where it stands first, carries its meaning as HTML.

    It shows on hover, on focus and by a tap, without script: see page.css.
    """
    seen: set[str] = set()

    def mark(match: re.Match) -> str:
        words = match.group(1)
        term = _BY_WORDS[words]
        if term.meaning in seen:
            return words
        seen.add(term.meaning)
        meaning = html.escape(term.meaning, quote=True)
        plain = html.escape(words.strip("`*"))
        shown = f"<code>{plain}</code>" if words.startswith("`") else f"<b>{plain}</b>" if words.startswith("*") else plain
        return (
            f'<span class="term" tabindex="0" role="note" aria-label="{plain}: {meaning}" data-meaning="{meaning}">{shown}</span>'
        )

    return _ANY.sub(mark, markdown)
