"""The commands of the command line, one file each: ``add(commands)`` gives the parser, ``run`` does the work."""
