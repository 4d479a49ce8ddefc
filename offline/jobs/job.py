"""A flow as data: its name, its function, the parameters that the function takes, and what its result depends on."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from processors.errors import ConfigError
from processors.yaml_reader import near

if TYPE_CHECKING:
    from pydantic import BaseModel

    from offline.jobs.run import JobRun

Body = Callable[..., dict[str, Any]]
State = Callable[..., Any]
Stands = Callable[..., bool]


@dataclass(frozen=True, slots=True)
class Job:
    """One flow.

    Parameters
    ----------
    body
        Takes the run, then its parameters by keyword; returns the result in words of JSON. Steps only, so that calling
        it again repeats nothing that is done.
    state
        Takes the parameters; returns what stands for the input in words of JSON: with the same one, the same result.
    reads, writes
        For people.
    about_parameters
        Parameter -> a line for people: its unit, and what it may be.
    stands
        Takes the result of a finished run, then the parameters by keyword; returns whether what the run did is still
        so. None for a flow whose result is what it made.
    """

    name: str
    body: Body
    state: State
    reads: str
    writes: str
    about_parameters: Mapping[str, str] = field(default_factory=dict)
    stands: Stands | None = None

    @property
    def about(self) -> str:
        """Return what it does, in a sentence."""
        return (self.body.__doc__ or "").partition("\n")[0].rstrip(".")

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """Return the parameters of the flow, the run left out."""
        found = inspect.signature(self.body, eval_str=True).parameters
        return {name: p for name, p in found.items() if name != "run"}

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all parameters in words of JSON, defaults filled in.

        Parameters
        ----------
        given
            Values, or texts that say them: "30" for a number, one text for a list of one.

        Raises
        ------
        ConfigError
            A name is unknown, a value does not fit, or one that is needed is missing.
        """
        from pydantic import ValidationError

        wanted = self.parameters
        for name in given:
            if name not in wanted:
                remedy = f"no parameter; it has {', '.join(wanted)}{near(name, list(wanted))}"
                raise ConfigError(f"flow {self.name}", name, given[name], remedy)
        told = {name: _as_list(value) if _is_list(wanted[name]) else value for name, value in given.items()}
        try:
            return self._model()(**told).model_dump(mode="json")
        except ValidationError as e:
            first = e.errors(include_url=False)[0]
            name = str(first["loc"][0])
            # A value that is missing is none; pydantic shows the whole input for it.
            value = given.get(name)
            raise ConfigError(f"flow {self.name}", name, value, f"{_said(wanted[name])} ({first['msg']})") from None

    def run(self, run: "JobRun") -> dict[str, Any]:
        """Return the result of the flow with the parameters of a run."""
        return self.body(run, **self._arguments(run.parameters))

    def input_state(self, parameters: Mapping[str, Any]) -> Any:
        """Return what stands for the input of the flow with some parameters."""
        return self.state(**self._arguments(parameters))

    def still_stands(self, result: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
        """Return whether what a finished run did with some parameters is still so."""
        return self.stands is None or self.stands(result, **self._arguments(parameters))

    def shown(self) -> dict[str, dict[str, Any]]:
        """Return of each parameter ``kind``, ``needed``, ``default`` and ``about``, in words of JSON."""
        return {
            name: {
                "kind": _kind(p), "needed": _is_needed(p), "default": None if _is_needed(p) else p.default,
                "about": self.about_parameters.get(name, ""),
            }
            for name, p in self.parameters.items()
        }  # fmt: skip

    def _arguments(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self._model()(**parameters))

    def _model(self) -> "type[BaseModel]":
        from pydantic import ConfigDict, create_model

        fields: dict[str, Any] = {
            name: (p.annotation, ... if _is_needed(p) else p.default) for name, p in self.parameters.items()
        }
        return create_model(self.name, __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **fields)


def _is_list(parameter: inspect.Parameter) -> bool:
    return "tuple" in str(parameter.annotation)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _is_needed(parameter: inspect.Parameter) -> bool:
    return parameter.default is inspect.Parameter.empty


def _kind(parameter: inspect.Parameter) -> str:
    """Return what a parameter is: ``int``, ``float``, ``bool``, ``text`` or ``texts``."""
    if _is_list(parameter):
        return "texts"
    kind = parameter.annotation
    name = kind.__name__ if isinstance(kind, type) else str(kind).replace(" | None", "")
    return name.replace("str", "text")


def _said(parameter: inspect.Parameter) -> str:
    """Return kind and default of a parameter: ``int, 30 by default``."""
    kind = _kind(parameter)
    if _is_needed(parameter):
        return f"{kind}, needed"
    return kind if parameter.default in (None, (), "") else f"{kind}, {parameter.default} by default"
