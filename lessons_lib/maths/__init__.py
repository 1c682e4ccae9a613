"""The maths: torch only, no network."""
