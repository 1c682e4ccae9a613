"""What people are told when something they did cannot work."""


class LessonsError(Exception):
    """One clear sentence for a person: what is wrong, and what to do. Pages show it as it is."""
