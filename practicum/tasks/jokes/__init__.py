"""Jokes about pelicans and the rest: prompts, a grammar whose attributes are known, and a gold utility."""
