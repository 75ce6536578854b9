"""Reinforcement learning applied: ads, cloud, portfolio."""
