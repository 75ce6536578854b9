"""A device of one's own, `fake`, that computes on the CPU and refuses to mix tensors as CUDA does.

`register` makes PyTorch know it, and must come before the process' first backward pass, which starts a thread
for every device there is. A tensor on it is a `Fake`: it holds a CPU tensor and says that it is elsewhere.
The rules are CUDA's: tensors of two devices meet only where one is copied to the other, where the CPU's has
no dimension and the work is elementwise, or where CPU indices read or write a tensor of the device. Random
numbers need a generator of the device. `Watching` sees what runs on the CPU meanwhile: no matrix product may.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

aten = torch.ops.aten
COPIES = {"copy_", "_to_copy"}
INDEXED = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"}
PRODUCTS = {
    "mm",
    "addmm",
    "bmm",
    "baddbmm",
    "embedding",
    "linear",
    "_scaled_dot_product_flash_attention_for_cpu",
}
PLAIN_GENERATOR = torch.Generator


class Generator(PLAIN_GENERATOR):
    """In place of `torch.Generator`, which knows none of a device written in Python.

    One of the device draws what the CPU's would.
    """

    def __new__(cls, device: Any = "cpu") -> Generator:
        fake = torch.device(device).type == "fake"
        made = super().__new__(cls, "cpu" if fake else device)  # type: ignore[call-arg]
        if fake:
            # The dispatcher makes another Python object of it, and only the address stays.
            GENERATORS[made._cdata] = made  # type: ignore[attr-defined]
        return made


GENERATORS: dict[int, Generator] = {}
"""Those of the device by their addresses, kept so that no other gets the same."""


class Fake(torch.Tensor):
    """A tensor on the fake device."""

    raw: torch.Tensor

    @staticmethod
    def __new__(cls, raw: torch.Tensor) -> Fake:
        made: Fake = torch.Tensor._make_wrapper_subclass(
            cls,
            raw.size(),
            strides=raw.stride(),
            storage_offset=raw.storage_offset(),
            dtype=raw.dtype,
            device=torch.device("fake:0"),
        )
        made.raw = raw
        return made

    def tolist(self) -> Any:
        """As a real device's tensor gives it, which PyTorch refuses a tensor written in Python."""
        return self.raw.tolist()

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.nn.functional.scaled_dot_product_attention:
            return attention(*args, **(kwargs or {}))
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        given = kwargs = dict(kwargs or {})
        _check_devices(func, args, kwargs)
        _check_generator(func, args, kwargs, "fake")
        stays = True
        if kwargs.get("device") is not None:
            stays = torch.device(kwargs["device"]).type == "fake"
            kwargs = {**kwargs, "device": "cpu"}
        found = func(*_raw(tuple(args)), **{name: _raw(one) for name, one in kwargs.items()})
        if any(one.alias_info is not None and one.alias_info.is_write for one in func._schema.returns):
            return given.get("out", args[0] if args else None)
        return _wrapped(found) if stays else found


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """The device's kernel: it rounds where the decoder's own formula does, so that numbers are equal."""
    rows, heads, length, width = query.shape
    groups = heads // key.shape[1]
    assert enable_gqa or groups == 1, "fewer key heads than query heads need enable_gqa"
    if is_causal:
        assert attn_mask is None
        visible = torch.ones(length, length, dtype=torch.bool).tril().repeat(groups, 1).to(query.device)
    else:
        assert attn_mask is not None
        assert attn_mask.device == query.device
        visible = attn_mask
    scale = width**-0.5 if scale is None else scale
    folded = query.reshape(rows, key.shape[1], groups * length, width)
    scores = folded.float() @ key.float().transpose(-2, -1) * scale
    shares = scores.masked_fill(~visible, -torch.inf).softmax(-1).to(value.dtype)
    found = (shares @ value).view(rows, heads, length, width)
    with torch.no_grad(), _disable_current_modes():
        parts = (_raw(one.detach()) for one in (query, key, value))
        mask = None if attn_mask is None else _raw(attn_mask)
        query, key, value = parts
        known = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=is_causal, scale=scale, enable_gqa=enable_gqa
        )
        torch.testing.assert_close(_raw(found.detach()), known, rtol=1e-4, atol=1e-5)
    return found


def _raw(value: Any) -> Any:
    """The CPU's tensors in place of the device's, in lists too."""
    if isinstance(value, Fake):
        return value.raw
    return type(value)(map(_raw, value)) if type(value) in (list, tuple) else value


def _wrapped(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return Fake(value)
    return type(value)(map(_wrapped, value)) if type(value) in (list, tuple) else value


def _leaves(args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """All arguments, those in lists too."""
    given = [*args, *kwargs.values()]
    return [part for one in given for part in (one if isinstance(one, (list, tuple)) else (one,))]


def _name(func: Any) -> str:
    return str(func._schema.name.rpartition("::")[2])


def _check_devices(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Raise RuntimeError where CUDA would: tensors of both devices meet and may not."""
    tensors = [one for one in _leaves(args, kwargs) if isinstance(one, torch.Tensor)]
    strangers = [one for one in tensors if not isinstance(one, Fake)]
    name = _name(func)
    if not strangers or name in COPIES:
        return
    if name in INDEXED and isinstance(args[0], Fake):
        values = args[2] if len(args) > 2 else None
        if not isinstance(values, torch.Tensor) or isinstance(values, Fake) or values.dim() == 0:
            return
    written = [
        value
        for value, argument in zip(args, func._schema.arguments, strict=False)
        if argument.alias_info is not None and argument.alias_info.is_write
    ]
    elementwise = torch.Tag.pointwise in func.tags
    if (
        elementwise
        and all(one.dim() == 0 for one in strangers)
        and all(isinstance(one, Fake) for one in written)
    ):
        return
    shapes = [(str(one.device), list(one.shape)) for one in tensors]
    raise RuntimeError(f"Expected all tensors to be on the same device: {name} of {shapes}")


def _check_generator(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], kind: str) -> None:
    for one in _leaves(args, kwargs):
        if isinstance(one, PLAIN_GENERATOR):
            address = one._cdata  # type: ignore[attr-defined]
            found = "fake" if address in GENERATORS else "cpu"
            if found != kind:
                raise RuntimeError(
                    f"Expected a '{kind}' device type for generator but found '{found}': {_name(func)}"
                )


class Watching(TorchDispatchMode):
    """Counts the matrix products that run on the CPU, and refuses CPU work with the device's generator."""

    def __init__(self) -> None:
        super().__init__()
        self.products: Counter[str] = Counter()
        self.elsewhere: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [one for one in _leaves(args, kwargs) if isinstance(one, torch.Tensor)]
        if any(isinstance(one, Fake) for one in tensors):
            self.elsewhere[_name(func)] += 1
        elif tensors:
            _check_generator(func, args, kwargs, "cpu")
            if _name(func) in PRODUCTS:
                self.products[_name(func)] += 1
        return func(*args, **kwargs)


class Module:
    """What PyTorch asks of a device's module."""

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0

    def manual_seed_all(self, seed: int) -> None:
        pass

    def _is_in_bad_fork(self) -> bool:
        return False


def register() -> None:
    """Make the device known to this process, for good."""
    backend_registration._setup_privateuseone_for_python_backend("fake", Module())
    library = torch.library.Library("aten", "IMPL")

    def empty(size: Any, dtype: Any = None, **_: Any) -> Fake:
        # Real memory is not zero either.
        return Fake(torch.full(size, 77, dtype=dtype or torch.get_default_dtype()))

    def empty_strided(size: Any, stride: Any, dtype: Any = None, **_: Any) -> Fake:
        return Fake(torch.empty_strided(size, stride, dtype=dtype or torch.get_default_dtype()).fill_(77))

    def arange(start: Any, end: Any, step: Any = 1, dtype: Any = None, **_: Any) -> Fake:
        return Fake(torch.arange(start, end, step, dtype=dtype))

    def copy_from(source: torch.Tensor, target: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
        _raw(target).copy_(_raw(source))
        return target

    def silu_backward(gradient: Fake, values: Fake) -> Fake:
        return Fake(aten.silu_backward(gradient.raw, values.raw))

    # Without one of its own the device would use a formula that rounds otherwise.
    library.impl("silu_backward", silu_backward, "PrivateUse1")
    # torch.tensor copies with kernels of the backend, past any tensor written in Python.
    library.impl("_copy_from", copy_from, "PrivateUse1")
    library.impl("arange.start_step", arange, "PrivateUse1")
    library.impl("empty.memory_format", empty, "PrivateUse1")
    library.impl("empty_strided", empty_strided, "PrivateUse1")
    KEPT.append(library)
    torch.Generator = Generator  # type: ignore[misc]


KEPT: list[torch.library.Library] = []
"""A library that nothing refers to takes its kernels with it."""


@contextmanager
def watched() -> Iterator[Watching]:
    """Fail where a matrix product ran on the CPU, or none on the device."""
    with Watching() as watching:
        yield watching
    assert not watching.products, f"matrix products on the CPU: {dict(watching.products)}"
    assert PRODUCTS & watching.elsewhere.keys(), "nothing was computed on the device"
