"""Which tests try which kind of failure. `python -m tests.kinds` prints README's table with the number of cases counted anew."""

import re
import subprocess
import sys

from lessons_lib.places import ROOT

KINDS = {
    "K1": (
        "The address is the view: a link, Back, a reload and a saved file open what was set",
        r"test_links\.py|test_browser_view\.py|test_stamp\.py::.*(read_back|opens)|test_controls\.py|bad_values_in_the_link|link_full_of_nonsense",
    ),
    "K2": (
        "Nothing is destroyed unasked: no key, no visitor and no closed tab ends a training or loses work",
        r"test_browser_train\.py|keys_act_only|escape|stop_is_not_to_be_seen|test_runs\.py::.*(stopped|taken_up|steers|visitor|press"
        r"|killed|dies)|test_browser_keys\.py",
    ),
    "K3": (
        "A seed is a picture: alone, in any batch, on any page; and every saved file says what made it",
        r"seed|alone_and_among|test_stamp\.py|whole_walks_in_many_threads",
    ),
    "K4": (
        "What you gave is what is used, as you see it; what was changed is said; what is lost is asked for",
        r"test_sources\.py|test_images\.py|test_decoders\.py::.*(sideways|profile|scan|transpar|alpha|grey|bits|frames|cmyk|reduced|heic"
        r"|opens)|test_own_pictures\.py::.*said|missing_upload|waits_for_a_drawing",
    ),
    "K5": (
        "Right code is called right, in any precision and style; a classic mistake is named",
        r"test_check\.py|test_bugs\.py",
    ),
    "K6": (
        "A file may hold anything: named formats, sizes before unpacking, one sentence; 13 formats, 5,000 damaged files of each in CI, 10,000 by FUZZ_FILES=10000",
        r"test_decoders\.py|no_hand_in|unpacks_to|no_drawing|test_own\.py|test_own_pictures\.py::.*refused"
        r"|from_elsewhere|did_not_make|bomb",
    ),
    "K7": (
        "A finger can do what a mouse can; a swipe scrolls; nothing is wider than a phone",
        r"ByFinger|phone|test_browser_hand\.py|fits_its_column",
    ),
    "K8": (
        "Words are shown as typed, on pages, in files and in the saved HTML; a link fetches nothing",
        r"test_words\.py|asks_the_internet|holds_everything_and_no_script",
    ),
    "worker": (
        "Who asks the network gets an answer or a sentence, whatever dies; causes stand in the log",
        r"test_batching\.py|test_log\.py",
    ),
    "disk, platforms": (
        "Full disks, broken files, Windows' locks, odd paths and locales, a checkout that cannot be written: nothing lost, one sentence",
        r"test_platforms\.py|test_checkpoints\.py|test_runs\.py::.*(disk|broken|clock|lock|deleted|tabs|servers)",
    ),
}
"""kind: (what is promised, a pattern of its tests' names, without their cases')."""


def names() -> list[str]:
    """All tests' names, one for each case."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-o", "addopts=", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return [line for line in done.stdout.splitlines() if "::" in line]


def counted(all_names: list[str]) -> dict[str, int]:
    """{kind: how many cases its tests try}. One case may count for two kinds."""
    return {
        kind: sum(bool(re.search(pattern, name.partition("[")[0])) for name in all_names) for kind, (_, pattern) in KINDS.items()
    }


def table(counts: dict[str, int]) -> str:
    """README's: numbers are rounded down to two digits, so that a new test does not ask for a new README."""
    rows = [f"| {kind} | {promise} | {floor(counts[kind])} |" for kind, (promise, _) in KINDS.items()]
    return "\n".join(["| kind | what is promised | cases, at least |", "| --- | --- | --- |", *rows])


def floor(n: int) -> int:
    """123 -> 120, 1,234 -> 1,200."""
    unit = 10 ** max(0, len(str(n)) - 2)
    return n // unit * unit


if __name__ == "__main__":
    print(table(counted(names())))
