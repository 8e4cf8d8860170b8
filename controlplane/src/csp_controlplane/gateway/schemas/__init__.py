"""Shapes of the API: one set of pydantic models for checking requests, for answers, for OpenAPI.

Where Anthropic's Managed Agents API has a resource, its fields and names are kept, so that the
official client parses every answer; what is ours is added as fields.
"""
