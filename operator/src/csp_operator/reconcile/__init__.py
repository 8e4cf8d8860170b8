"""Applies decisions: gathers facts from the store, asks the pure rules, writes what they say."""
