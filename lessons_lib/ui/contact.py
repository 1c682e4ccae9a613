"""Old name, until its callers have moved: see pictures."""

from lessons_lib.ui.pictures import contact_sheet  # noqa: F401
