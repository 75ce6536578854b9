"""The gradient of one update, from micro-batches that are worked out side by side on a CPU.

Which micro-batch goes to which worker, and the order of all sums, is fixed, so a run repeats bit for bit with
the same number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn

from practicum.run.profile import span
from practicum.threads import one_thread, side_by_side
from practicum.training.optimizer import HasParameters

Gradients = list[Tensor | None]
Report = dict[str, float]
"""What a micro-batch adds to the metrics of its update."""
MicroBatch = TypeVar("MicroBatch")


def trainable(*modules: HasParameters) -> list[nn.Parameter]:
    """The parameters to train, in the modules' order."""
    return [part for one in modules for _, part in one.named_parameters() if part.requires_grad]


def gradients_of(
    parameters: Sequence[nn.Parameter],
    micro_batches: Sequence[MicroBatch],
    loss: Callable[[MicroBatch], tuple[Tensor, Report]],
) -> list[Report]:
    """Add the gradient of the micro-batches' summed losses to `.grad`; return their reports, in order.

    `loss` runs the forward pass of one micro-batch. On a CPU with several threads they run side by side, so
    they may share nothing that they change. An error raised by `loss` is raised here.
    """
    reports: list[Report] = [{} for _ in micro_batches]

    def reported(index: int) -> Tensor:
        value, reports[index] = loss(micro_batches[index])
        return value

    if micro_batches:
        add_gradients(parameters, [partial(reported, index) for index in range(len(micro_batches))])
    return reports


def total(reports: Sequence[Report], name: str) -> float:
    """Sum of one figure over micro-batches."""
    return sum(report[name] for report in reports)


def add_gradients(parameters: Sequence[nn.Parameter], losses: Sequence[Callable[[], Tensor]]) -> None:
    """Add the gradient of the sum of all losses to every parameter's `.grad`.

    Each loss is a function that runs one micro-batch's forward pass; on a CPU with several threads they run
    side by side, so they may share nothing that they change. Errors raised by a loss are raised here.
    """
    workers = min(torch.get_num_threads(), len(losses)) if parameters[0].device.type == "cpu" else 1
    if workers < 2:
        for loss in losses:
            with span("forward"):
                value = loss()
            with span("backward"):
                torch.autograd.backward(value)
        return
    shares = [partial(_gradients, parameters, losses[worker::workers]) for worker in range(workers)]
    found = side_by_side(shares)
    with one_thread():
        for gradients in found:
            for parameter, gradient in zip(parameters, gradients, strict=True):
                if gradient is not None:
                    parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)


def _gradients(parameters: Sequence[nn.Parameter], losses: Sequence[Callable[[], Tensor]]) -> Gradients:
    total: Gradients = [None] * len(parameters)
    for loss in losses:
        with span("forward"):
            value = loss()
        with span("backward"):
            found = torch.autograd.grad(value, parameters, allow_unused=True)
        for index, gradient in enumerate(found):
            if gradient is not None:
                so_far = total[index]
                total[index] = gradient if so_far is None else so_far.add_(gradient)
    return total
