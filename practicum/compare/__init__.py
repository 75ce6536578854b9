"""Recipes side by side: any set of them x seeds on one task with one budget of samples, and what differs.

plan.py turns recipes into members, member.py makes one run, pool.py makes all of them within the machine's
cores, statistics.py and results.py say what the figures show, table.py and page.py show it.
"""
