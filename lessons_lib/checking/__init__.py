"""Check a student's own functions from arrays alone: the script handed out, and what is read from the file it makes."""
