"""Old names, until their callers have moved: see pictures, plots and microscope."""

from lessons_lib.ui.microscope import microscope  # noqa: F401
from lessons_lib.ui.pictures import (  # noqa: F401
    describe,
    downloads,
    in_lines,
    judge_readings,
    provenance,
    readings,
    unknown_words_hint,
    whole,
)  # fmt: skip
from lessons_lib.ui.pictures import in_a_row as pictures_in_a_row  # noqa: F401
from lessons_lib.ui.plots import COLOURS, DASHES, line_plot  # noqa: F401
