"""For every test: scripts that make reference values need the real framework and are no tests."""

collect_ignore_glob = ["*/make_*.py"]
