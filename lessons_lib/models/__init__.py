"""The networks the lessons run on: what answers, in which precision, for how many at once."""
