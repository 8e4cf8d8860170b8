"""Between the log and the workers: binding, attaching, committing facts, delivering input."""
