"""Sampling from a policy and scoring what it wrote."""
