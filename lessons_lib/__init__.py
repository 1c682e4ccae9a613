"""The library under the lessons: diffusion, written to be read."""
