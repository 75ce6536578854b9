"""Teach a language model the way people learn, and show honestly what it learned."""

__version__ = "0.1.0"
