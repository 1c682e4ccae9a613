"""What people type, where it enters markdown: prompts, names, file names, and the sentences that quote them.

Streamlit reads labels and captions as markdown with additions of its own: colours, icons, formulas, links made of bare
addresses. A shared link must neither change how a page looks nor make the reader's browser fetch a picture.
"""

from __future__ import annotations

import re

_PLAIN = re.compile(r"(?:[^\x00-\x20*_:\[\]<>`$~\\&@|\x7f-\xa0]|(?<=\w)_(?=\w))+:?|&")  # a word that markdown leaves as it is
_DASHES = re.compile(r"-{2,}")  # which Streamlit makes longer
_FIRST = re.compile(r"([-+#=]|\d+(?=[.)]))(?=#* |#*$|[.)] |[.)]$)")  # begins a heading or a list where it stands first
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
_ISOLATES = re.compile("[\u2066-\u2069]")
_RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u200f\u202a-\u202e\U00010800-\U00010fff\U0001e800-\U0001efff]"
)


def as_typed(text: str) -> str:
    """Markdown that shows the text as it was typed: ordinary words stay, all that markdown would read is set as code.

    Line ends become spaces, control characters U+FFFD. Text that runs from right to left does not turn what stands beside it.

    >>> print(as_typed("a *red* fox, 2 < 3"))
    a `*red*` fox, 2 `<` 3
    """
    text = re.sub(r"\s+", " ", visible(text))
    parts: list[tuple[bool, str]] = []  # words that need it, and stand beside each other, are one piece of code
    for word in text.split(" "):
        odd = bool(word) and (not _PLAIN.fullmatch(word) or "www." in word.lower() or bool(_DASHES.fullmatch(word)))
        if parts and odd and parts[-1][0]:
            parts[-1] = True, f"{parts[-1][1]} {word}"
        else:
            parts.append((odd, word))
    shown = " ".join(_code(words) if odd else words for odd, words in parts)
    if first := _FIRST.match(shown):
        shown = f"{first[1]}\\{shown[first.end() :]}" if first[1].isdigit() else f"\\{shown}"
    if not _RIGHT_TO_LEFT.search(text):
        return shown
    return f"\u2068{_ISOLATES.sub('', shown)}\u2069"


def quoted(text: str) -> str:
    """as_typed() between quotation marks."""
    return as_typed(f"“{text}”")


def _code(words: str) -> str:
    fence = "`" * (max((len(run) for run in re.findall("`+", words)), default=0) + 1)
    pad = " " if words.startswith("`") or words.endswith("`") else ""
    return fence + pad + words.replace(":material/", ":\u2060material/") + pad + fence  # Streamlit's own, even in code


def visible(text: str) -> str:
    """The text with U+FFFD for what no file and no browser can hold: control characters and halves of characters."""
    return _CONTROL.sub("\ufffd", text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def in_one_line(text: str) -> str:
    """The text as a field of one line can show it: a browser leaves line ends out there, and what is used must be what is seen.

    >>> in_one_line("a penguin\\n  on ice")
    'a penguin on ice'
    """
    return re.sub(r"[ \t]*[\r\n]+[ \t]*", " ", visible(text))


def sentence(text: str) -> str:
    """A message for a person as markdown: what stands in backticks is code, all else is shown as it is."""
    pieces = re.split(r"(`[^`]+`)", text)
    return "".join(p if i % 2 else as_typed(p) for i, p in enumerate(pieces))
