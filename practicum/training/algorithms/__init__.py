"""The algorithms of practice, one a file. A new one is a file here, a line in ALGORITHMS and one in Name."""

from typing import Literal, TypeAlias

from practicum.training.algorithms import (
    cispo,
    dapo,
    distill,
    dr_grpo,
    expert_iteration,
    gfpo,
    group,
    grpo,
    gspo,
    max_rl,
    online_dpo,
    ppo,
    reinforce,
    reinforce_pp,
    rloo,
    sapo,
)
from practicum.training.algorithms.algorithm import Algorithm

ALGORITHMS: dict[str, Algorithm] = {
    one.name: one
    for one in (
        group.ALGORITHM,
        reinforce.ALGORITHM,
        rloo.ALGORITHM,
        reinforce_pp.GLOBAL,
        reinforce_pp.GROUP,
        grpo.ALGORITHM,
        dr_grpo.ALGORITHM,
        dapo.ALGORITHM,
        gspo.ALGORITHM,
        cispo.ALGORITHM,
        sapo.ALGORITHM,
        max_rl.ALGORITHM,
        gfpo.ALGORITHM,
        expert_iteration.ALGORITHM,
        online_dpo.ALGORITHM,
        distill.ALGORITHM,
        ppo.ALGORITHM,
    )
}
Name: TypeAlias = Literal[
    "group",
    "reinforce",
    "rloo",
    "reinforce_pp",
    "reinforce_pp_baseline",
    "grpo",
    "dr_grpo",
    "dapo",
    "gspo",
    "cispo",
    "sapo",
    "max_rl",
    "gfpo",
    "expert_iteration",
    "online_dpo",
    "distill",
    "ppo",
]
"""The names of ALGORITHMS, for a setting's type."""
