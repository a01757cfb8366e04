"""The peers live in an environment of their own (`make test-peers`); without it nothing here is collected."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torchsde") else ["test_*.py"]
