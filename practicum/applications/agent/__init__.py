"""PPO on Gymnasium environments, with the objectives, run folder, observers and loop of the text side.

```python
make = lambda seed: gymnasium.make("CartPole-v1")
agent = train_agent(AgentConfig(iterations=50), make, Path("runs/agent"))
returns = evaluate_agent(agent, make, episodes=100, seed=1)
```
An application has its seeds itself, and in its config a section
`agent: AgentSettings = field(default_factory=AgentSettings)`; one seed is trained with
`completed(AgentConfig, config.agent, seed=seed)` (from practicum.config).
"""

from practicum.applications.agent.agent import Agent, evaluate_agent
from practicum.applications.agent.config import AgentConfig, AgentSettings
from practicum.applications.agent.environments import Make
from practicum.applications.agent.spaces import Simplex
from practicum.applications.agent.train import Measure, train_agent

__all__ = [
    "Agent",
    "AgentConfig",
    "AgentSettings",
    "Make",
    "Measure",
    "Simplex",
    "evaluate_agent",
    "train_agent",
]
