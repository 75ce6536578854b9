"""`practicum apply NAME`: the applications by name, each loaded only when it is asked for."""

from __future__ import annotations

APPLICATIONS = {
    "agent": "practicum.applications.agent.command",
    "ads": "practicum.applications.ads.command",
    "cloud": "practicum.applications.cloud.command",
    "overoptimization": "practicum.applications.overoptimization.command",
    "portfolio": "practicum.applications.portfolio.command",
}
"""The module of each application: its `Config`, and `run(config, folder, resume=False)` that does it all."""
EXTRA = "applications"
