"""A Model's parameters: read and set in natural units, frozen, copied, and saved with their bounds."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from .arguments import check_batches, holds_tensors, real
from .arrays import side_by_side
from .compiled import Compiled, Param
from .draws import default_of, seeded
from .nets import UNSAVED, WithNets
from .parameter_docs import documented
from .saved import check_inside, rebind
from .shaped import element_of, flattened, shown, with_element
from .tensors import columns
from .torch_private import originals, own_parameters, parametrizations, wrapped
from .transforms import Bounds, Value, bounded, holding

SETTINGS = (
    *("dt", "rtol", "atol", "first_step", "min_step", "max_step", "max_steps", "dense_output", "clip"),
    *("adjoint", "adjoint_rtol", "adjoint_atol", "checkpoints", "engine", "chunk", "max_time"),
)
"""What a Model is made with beside its parameters, and may be set to later, where it applies."""


class Kept:
    """What `status` tells of: the last call, without its states, which only the caller keeps alive."""

    call: Any = None


class Parameters(WithNets):
    """A Model's parameters: read and set in natural units, frozen, copied, and saved with their bounds."""

    spelled: ClassVar[Mapping[str, Param]]
    """Parameters by their attributes."""
    attributes: ClassVar[Mapping[str, str]]
    """Attributes by the names of parameters."""
    alike: ClassVar[Sequence[Sequence[str]]]
    """Attributes of parameters that bounds of one kind hold, so that they are read all at once."""
    shaped: ClassVar[bool]  # whether some parameters are arrays, or those of external nets
    engine: str
    _anchor: Tensor
    _settings: dict[str, Any]

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "compiled" in cls.__dict__:
            params = cls.compiled.params
            cls.spelled = {param.spelling: param for param in params}
            cls.attributes = {param.name: param.spelling for param in params}
            cls.alike = _alike(params)
            cls.shaped = any(param.shape for param in params) or any(hasattr(n, "output") for n in cls.nets)
            cls.__doc__ = documented(cls.__doc__, params)

    def _make_parameters(self, dtype: torch.dtype, device: Any, seed: int | None) -> None:
        """The parameters at their defaults, held by their bounds."""
        own = seeded(seed, device)
        for attribute, param in self.spelled.items():
            net = self._net_of(attribute)
            if net is None:
                self.register_parameter(attribute, nn.Parameter(default_of(param, dtype, device, own)))
            elif net.spelling not in self._modules:
                self.add_module(net.spelling, net.made(self.spelled, dtype, device, own))
        if not self.spelled:
            self.register_buffer("_anchor", torch.zeros(1, dtype=dtype, device=device))
        for attribute, param in self.spelled.items():
            held = holding(param.via, param.lower, param.upper)
            if held is not None:
                parametrize.register_parametrization(self, attribute, held)
        if parametrizations(self):
            self.__class__ = bounded(parametrize.type_before_parametrizations(self))

    def __setattr__(self, name: str, value: Any) -> None:
        raw = self._raw(name) if name in self.spelled else None
        if raw is not None and not (isinstance(value, nn.Parameter) and name in own_parameters(self)):
            self._set(name, value)
        elif name in self.__dict__.get("_settings", ()):
            self._settle({**self._settings, name: value}, self._like.dtype)
        elif "_settings" in self.__dict__ and name in (*SETTINGS, "dtype", "device"):
            how = "is set by net.to(…)" if name in ("dtype", "device") else "does not apply to this Model"
            raise AttributeError(f"{name} {how}")
        elif "_settings" in self.__dict__ and name == "method":
            raise AttributeError("method is what the module was compiled for: odec.load(model, method=…)")
        else:
            self._refuse_slip(name, value)
            super().__setattr__(name, value)

    def _refuse_slip(self, name: str, value: Any) -> None:
        """Raise AttributeError for a number whose new name is nearly that of a parameter or a setting."""
        numbers = isinstance(value, (int, float, Tensor)) and not isinstance(value, (bool, nn.Parameter))
        if name.startswith("_") or not numbers or hasattr(self, name):
            return
        known = [*self.spelled, *self.__dict__.get("_settings", ())]
        alike = [one for one in known if one.casefold() == name.casefold()]
        near = alike or difflib.get_close_matches(name, known, 1, 0.75)
        if near:
            raise AttributeError(f"this Model has no {name!r}; did you mean {near[0]!r}?")

    def _settle(self, settings: dict[str, Any], dtype: torch.dtype) -> None:
        """Take the settings of steps, adjoint and engine. Raises ValueError where they do not fit."""
        raise NotImplementedError

    def _raw(self, attribute: str) -> Any:
        """What an optimizer moves: a parameter, or what its bounds make it of; None before it is."""
        held = parametrizations(self)
        if attribute in held:
            return held[attribute].original
        return self._stored(attribute)

    @property
    def _like(self) -> Tensor:
        """A tensor of the module's dtype and on its device."""
        return self._raw(next(iter(self.spelled))) if self.spelled else self._anchor

    def _set(self, attribute: str, value: Any) -> None:
        """Set a parameter in natural units. Raises ValueError where it lies outside its bounds."""
        param, raw = self.spelled[attribute], self._raw(attribute)
        value = real(value, raw, param.name).detach()
        if value.numel() != raw.numel():
            wanted = f"a value of shape {tuple(raw.shape)}"
            raise ValueError(f"{param.name} takes {wanted}, not {tuple(value.shape)}")
        check_inside(param, value)
        held = parametrizations(self)
        with torch.no_grad():
            for transform in reversed(held[attribute]) if attribute in held else ():
                value = transform.right_inverse(value)
            raw.copy_(value.reshape(raw.shape))

    def raw(self, name: str) -> Tensor:
        """What an optimizer moves of a parameter: itself, or what its bounds make it of."""
        found: Tensor = self._raw(self.attributes[name])
        return found

    def bounds(self, name: str) -> Bounds | None:
        """What holds a parameter within its bounds; None where it is free."""
        held = parametrizations(self)
        attribute = self.attributes[name]
        return held[attribute][0] if attribute in held else None

    def freeze(self, *names: str) -> Any:
        """Keep parameters, by default all, where they are: optimizers and gradients pass them over."""
        return self._require_gradients(names, False)

    def thaw(self, *names: str) -> Any:
        """Let frozen parameters, by default all, move again."""
        return self._require_gradients(names, True)

    def _require_gradients(self, names: tuple[str, ...], wanted: bool) -> Any:
        names = tuple(self._weights_named(names))
        check_names(self.compiled, names)
        for name in names or self.compiled.param_names:
            raw = self._raw(self.attributes[name])
            raw.requires_grad_(wanted).grad = raw.grad if wanted else None
        return self

    def vector(self, params: Mapping[str, Any] | Tensor | None = None) -> Tensor:
        """The parameters in natural units: p (m,), or (*batch, m) where `params` are batched."""
        return self._vector(params)

    def _vector(self, params: Any) -> Tensor:
        if params is None:
            return self._natural()
        names = self.compiled.param_names
        if not hasattr(params, "items"):
            p, width = real(params, self._like, "params"), self._width
            if p.dim() == 0 or p.shape[-1] != width:
                columned = f"(*batch, {width}), a column for each of PARAMS"
                wanted = f"values by name, like dict(k=0.5), or {columned}"
                raise ValueError(f"params must be {wanted}, not of shape {tuple(p.shape)}")
            return p
        if not len(params):
            return self._natural()
        if self.shaped:
            return self._with_arrays(params)
        check_names(self.compiled, params)
        own = {} if len(params) == len(names) else dict(zip(names, self._natural().unbind(-1)))
        like = own[names[0]] if own else self._like
        given = {name: real(value, like, name) for name, value in params.items()}
        for name, value in params.items():
            param = self.spelled[self.attributes[name]]
            if param.bounded:
                _check_given(param, value, given[name])
        check_batches({f"params[{name!r}]": value.shape for name, value in given.items()})
        own.update(given)
        return columns(*(own[name] for name in names))

    def _with_arrays(self, params: Mapping[str, Any]) -> Tensor:
        """The parameters in natural units (*batch, m), those that are given in place of the module's own."""
        given: dict[str, Tensor] = {}
        elements: list[tuple[str, int, Tensor]] = []
        for name, value in params.items():
            whole = self._whole(name)
            param = self.spelled[self.attributes[whole]]
            numbers = real(value, self._like, name)
            if name == whole:
                given[name] = numbers = flattened(numbers, param)
            else:
                elements.append((whole, element_of(param, name), numbers))
            if param.bounded:
                _check_given(param, value, numbers)
        shapes: dict[str, Sequence[int]] = {name: value.shape[:-1] for name, value in given.items()}
        shapes.update({f"{whole}[{place}]": value.shape for whole, place, value in elements})
        check_batches({f"params[{name!r}]": shape for name, shape in shapes.items()})
        for name, param in self.spelled.items():
            if param.name not in given:
                given[param.name] = self._value(name).reshape(-1)
        for whole, place, value in elements:
            given[whole] = with_element(given[whole], place, value)
        return side_by_side(*(given[name] for name in self.compiled.param_names), *self._tails())

    def _whole(self, name: str) -> str:
        """The parameter that a name is of: `W` of `W[0,1]`. Raises ValueError for what is no parameter."""
        whole = name if name in self.attributes else name.partition("[")[0]
        check_names(self.compiled, [whole])
        return whole

    def _set_by_name(self, name: str, value: Any) -> None:
        """Set a parameter, or one element of an array, in natural units. Raises ValueError."""
        whole = self._whole(name)
        attribute = self.attributes[whole]
        if name != whole:
            param, own = self.spelled[attribute], self._value(attribute).detach()
            numbers = real(value, own, name).detach()
            value = with_element(own.reshape(-1), element_of(param, name), numbers).reshape(own.shape)
        self._set(attribute, value)

    def _natural(self) -> Tensor:
        """The module's own parameters in natural units (m,)."""
        if self.shaped:
            values = [self._value(name).reshape(-1) for name in self.spelled]
            return torch.cat([*values, *self._tails(), self._like.new_empty(0)])
        alike = self.alike
        if not self.spelled:
            return self._anchor[:0]
        if len(alike) == 1 and len(alike[0]) == len(self.spelled):
            return self._together(alike[0])
        free = own_parameters(self)
        if not alike and len(free) == len(self.spelled) and not parametrizations(self):
            return columns(*(free[name] for name in self.spelled))
        own: dict[str, Tensor] = {}
        for attributes in alike:
            own.update(zip(attributes, self._together(attributes).unbind(-1)))
        return columns(*(own[name] if name in own else self._value(name) for name in self.spelled))

    def _together(self, attributes: Sequence[str]) -> Tensor:
        """Parameters that bounds of one kind hold, in natural units (..., their number): all at once."""
        held = parametrizations(self)
        together = originals(held, attributes) if held and not torch.compiler.is_compiling() else None
        if together is None:
            return columns(*(self._value(name) for name in attributes))
        bounds, raw = together
        found: Tensor = bounds(columns(*raw))
        return found

    def _value(self, attribute: str) -> Tensor:
        own = self._stored(attribute)
        found: Tensor = parametrizations(self)[attribute]() if own is None else own
        return found

    def _read(self, attribute: str) -> Tensor:
        """A parameter as one sees it: a Value where bounds hold it, unless torch follows it."""
        if attribute not in parametrizations(self):
            if attribute not in own_parameters(self):
                raise AttributeError(attribute)
            return own_parameters(self)[attribute]
        value = self._value(attribute)
        followed = torch.compiler.is_compiling() or wrapped(value)
        return value if followed else value.as_subclass(Value)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickled and copied without the last call, and as one whose parameters bounds hold, if they do."""
        state = {name: value for name, value in self.__dict__.items() if name not in UNSAVED} | {
            "_kept": Kept()
        }
        return _blank, (parametrize.type_before_parametrizations(self), bool(parametrizations(self))), state

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        make, arguments, state = self.__reduce_ex__(2)
        memo[id(self)] = net = make(*arguments)
        net.__setstate__(copy.deepcopy(state, memo))
        return net

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        """Load what was saved, in the same natural values where it was saved under other bounds."""
        errors = rest[-1]
        for param in self.compiled.params:
            attribute = param.spelling
            held = parametrizations(self)
            own = held[attribute][0] if attribute in held else None
            try:
                rebind(state_dict, prefix, param, own)
            except ValueError as error:
                key = attribute if own is None else f"parametrizations.{attribute}.original"
                state_dict[prefix + key] = self._raw(attribute).detach()  # which stays
                errors.append(str(error))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def _told(self, steps: str) -> str:
        """What a Model says of itself: how it steps, and a line for each of the first parameters."""
        kind = str(self._like.dtype).removeprefix("torch.")
        lines = [f"Model of {self.compiled.name}: {steps}, engine {self.engine}, {kind}"]
        params = self.compiled.params
        for param in params[:20]:
            value = self._value(param.spelling).detach()
            bounds = f" in {param.interval}" if param.bounded else ""
            frozen = "" if self._raw(param.spelling).requires_grad else " (frozen)"
            lines.append(f"  {shown(param, value)}{bounds}{frozen}")
        return "\n".join([*lines, f"  … ({len(params)} in all)"] if len(params) > 20 else lines)

    def _repr_html_(self) -> str:
        import html  # whose table of entities takes a while

        return f"<pre>{html.escape(repr(self))}</pre>"


def _blank(cls: Any, held: bool) -> Any:
    """A Model without its state; held: whether its parameters are read through bounds."""
    net = cls.__new__(cls)
    if held:
        net.__class__ = bounded(cls)
    return net


def _alike(params: Iterable[Param]) -> tuple[tuple[str, ...], ...]:
    """The attributes of the parameters that the same bounds hold, where there are several of them."""
    groups: dict[tuple[float, ...], list[str]] = {}
    for param in params:
        held = holding(param.via, param.lower, param.upper)
        if held is not None:
            groups.setdefault((held.kind, held.lower, held.upper), []).append(param.spelling)
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)  # which torch's tracer reads


def _check_given(param: Param, value: Any, numbers: Tensor) -> None:
    """Raise ValueError where a value that is given for a call, and its numbers, lie outside their bounds.

    A tensor is taken as it is: torch may follow it, or it may lie on a GPU, where a look means waiting.
    """
    if isinstance(value, (int, float)) and param.lower < value < param.upper or isinstance(value, Tensor):
        return
    if not (holds_tensors(value) or torch.compiler.is_compiling() or numbers.device.type == "meta"):
        check_inside(param, numbers)


def check_names(compiled: Compiled, names: Collection[str]) -> None:
    """Raise ValueError for what is no parameter, with a guess at what was meant."""
    known = compiled.param_names
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"unknown parameter {unknown[0]!r}; {guess(unknown[0], known)}")


def guess(name: str, known: Collection[str]) -> str:
    """What of the known may be meant by a name, or all of them."""
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"the model has {', '.join(known) or 'none'}"
