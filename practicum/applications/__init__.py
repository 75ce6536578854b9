"""Reinforcement learning outside of language: agents of environments, trained by the very same objectives."""
