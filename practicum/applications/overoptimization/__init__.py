"""Agents that are paid by a proxy: how far proxy and gold part, and whether the guard sees it."""
