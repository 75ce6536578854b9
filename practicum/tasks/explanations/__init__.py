"""Explanations: the worked solutions of the equations task, told so that a beginner can follow."""
