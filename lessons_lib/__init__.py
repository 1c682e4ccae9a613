"""The library under the lessons: diffusion, written to be read."""

__version__ = "0.6.0"
