"""The REST endpoints, one module per resource: they check, call the stores and the core, show."""
