"""Audits of rewards: how one is gamed, how far it can be trusted, and when to stop."""
