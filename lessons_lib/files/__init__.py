"""What is read from disk and written to it: films, pictures, figures, checkpoints, and whatever comes from outside."""
