"""The rows of the table that ``fokker_planck.py`` prints: a problem to a file, and what they share."""
