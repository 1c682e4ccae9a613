"""Old name, until its callers have moved: see plots."""

from lessons_lib.ui.plots import measured  # noqa: F401
