"""Scripts that stand in for commands of the pages are no tests."""

collect_ignore_glob = ['any_*.py']
