"""Which sampler a policy gets: the fastest there is for it."""

from __future__ import annotations

from practicum.model.decoder import Decoder, compute_dtype
from practicum.model.huggingface import HuggingFacePolicy
from practicum.model.native.sampler import native_decoding
from practicum.model.policy import Policy
from practicum.model.sampling import SamplingConfig
from practicum.rollout.huggingface import HuggingFaceSampler
from practicum.rollout.native import NativeSampler
from practicum.rollout.sampler import Sampler
from practicum.rollout.torch import TorchSampler
from practicum.rollout.uncached import UncachedSampler


def make_sampler(policy: Policy, config: SamplingConfig, version: int = 0) -> Sampler:
    """The fastest sampler there is for this policy, loaded with its present weights."""
    chosen: Sampler
    if isinstance(policy, HuggingFacePolicy):
        chosen = HuggingFaceSampler(config)
    elif not isinstance(policy, Decoder):
        chosen = UncachedSampler(config)
    elif native_decoding(compute_dtype(config.dtype, policy.device), policy.device, policy.config):
        chosen = NativeSampler(config)
    else:
        chosen = TorchSampler(config)
    chosen.load(policy, version)
    return chosen
