"""vowpalwabbit as a rival: its contextual bandits with features of items, learning offline from the same half.

Its own defaults, with interactions of context and item (`-q ci`); the learner's type is what its pages advise
for each use: mtr (importance-weighted regression), dr or ips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from practicum.applications.ads.data import Contexts, Log
from practicum.errors import InputError

Floats = NDArray[np.float64]
Kind = Literal["mtr", "dr", "ips"]


@dataclass(frozen=True)
class VowpalWabbit:
    """The item with the least cost by a trained workspace."""

    workspace: Any
    items: tuple[str, ...]

    def probabilities(self, contexts: Contexts) -> Floats:
        """1 for the item with the least predicted cost; the same contexts are asked about once."""
        whole_NO = np.concatenate([contexts.features_NF, contexts.affinity_NA], axis=1)
        _, first, which = np.unique(whole_NO, axis=0, return_index=True, return_inverse=True)
        chosen = []
        for row in first:
            example = [*_example(contexts, int(row), self.items), ""]
            chosen.append(int(np.argmin(self.workspace.predict(example))))
        return np.asarray(np.eye(len(self.items))[np.array(chosen)[which.reshape(-1)]])


def learn(log: Log, kind: Kind, seed: int) -> VowpalWabbit:
    """Learn from the rows of a log in a random order. Raises InputError where the package is missing."""
    try:
        from vowpalwabbit import Workspace
    except ImportError as error:
        raise InputError(
            "the rival needs vowpalwabbit: pip install vowpalwabbit, or leave it out with --rival none"
        ) from error
    workspace = Workspace(f"--cb_adf --cb_type {kind} -q ci --quiet --random_seed {seed + 1}")
    names = tuple(f"i{number}" for number in range(len(log.items)))
    for row in np.random.default_rng([seed, 9]).permutation(len(log)):
        example = _example(log.contexts, int(row), names)
        action = int(log.action_N[row])
        cost = f"0:{-log.click_N[row]:g}:{log.propensity_N[row]:.9g} "
        example[1 + action] = cost + example[1 + action]
        workspace.learn(example)
    return VowpalWabbit(workspace, names)


def _example(contexts: Contexts, row: int, names: tuple[str, ...]) -> list[str]:
    """A row in vowpalwabbit's text format: the shared context, then a line for each item."""
    features = contexts.features_NF[row]
    shared = " ".join(f"f{place}:{features[place]:.6g}" for place in np.flatnonzero(features))
    lines = [f"shared |c {shared}"]
    affinity = contexts.affinity_NA[row]
    for place, name in enumerate(names):
        own = f" own:{affinity[place]:.6g}" if affinity[place] else ""
        lines.append(f"|i {name}{own}")
    return lines
