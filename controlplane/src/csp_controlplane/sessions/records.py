"""The core's value types under the name by which its callers know them."""

from csp_controlplane.domain.records import LoggedEvent, SessionRecord

__all__ = ["LoggedEvent", "SessionRecord"]
