"""Our log as seen by programs that nobody here wrote, and theirs as seen by ours."""
