"""Portfolios: weights of assets chosen by a trained policy, against rules, on real prices."""
