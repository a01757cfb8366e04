"""The commands, a file ``*_command.py`` each: ``add(commands)`` gives the parser, whose ``run`` does the work.

Beside them what they share, and what a run of particles shows: its record and its picture.
"""
