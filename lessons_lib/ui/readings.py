"""Old names, until their callers have moved: see pictures and plots."""

from lessons_lib.ui.pictures import ordinal  # noqa: F401
from lessons_lib.ui.pictures import pair_captions as captions  # noqa: F401
from lessons_lib.ui.plots import bars  # noqa: F401
