"""The REST endpoints, one module per resource: they check, call the stores and the core, show."""

from typing import Final

API: Final = "/api/v1"
"""Where the API begins. Routers carry it, so that a matched route knows its whole path."""
