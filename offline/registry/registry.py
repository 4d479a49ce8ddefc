"""The model registry: register, find, name, load. MLflow keeps it; nothing here asks the network.

A version becomes visible in one transaction, after everything that belongs to it was written: a registration that dies
leaves a run, never a version.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from offline.registry import sweeps
from offline.registry.card import make_card
from offline.registry.evidence import Evidence
from offline.registry.place import Place
from offline.registry.signature import Served, refuse_unserved
from offline.registry.versions import ALIASES, FILES, TEXT_FACTS, ModelVersion, tags_of, version_of
from offline.registry.writing import (
    CARD,
    MODEL,
    check_alias,
    check_name,
    facts,
    metrics_of,
    refuse_contradiction,
    write_artefacts,
)  # fmt: skip
from offline.selection.trials import Trials
from processors.errors import ConfigError
from processors.score.model import Model

PAGE = 200


class Registry:
    """The models of a place.

    Parameters
    ----------
    place
        What the environment says where None.
    """

    def __init__(self, place: Place | None = None) -> None:
        self.place = place or Place.from_environment()
        self._client = self.place.open()

    def register(self, name: str, file: Path, evidence: Evidence, alias: str | None = "candidate") -> ModelVersion:
        """Register a model file with its evidence; return its version.

        The same file of the same recipe and snapshot is the same version, so that a training that resumes may call
        this again.

        Raises
        ------
        ConfigError
            The file is no model of ours, it says otherwise than the evidence, or the card lacks a field.
        """
        check_name(name)
        if alias is not None:
            check_alias(alias)
        try:
            raw = file.read_bytes()
        except OSError as e:
            raise ConfigError(str(file), "file", e.strerror, "a model file") from e
        model = Model(raw, str(file))
        refuse_contradiction(model, evidence)
        known = self._same(name, model.sha256, evidence)
        if known is None:
            card = make_card(name, model, evidence, self.trials(evidence.experiment))
            known = self._write(name, raw, model, evidence, card)
        if alias is not None:
            self._name_newest(alias, known)
        return self.find(name, str(known.version))

    def versions(self, name: str | None = None) -> list[ModelVersion]:
        """Return the versions of a model, or of all, by name and then the oldest first."""
        query = f"name = '{name}'" if name else None
        found = list(self._pages(self._client.search_model_versions, query))
        named = {
            (m.name, alias): int(number)
            for m in self._pages(self._client.search_registered_models, query)
            for alias, number in m.aliases.items()
        }
        # Of what others keep in the same database we know nothing.
        ours = [version_of(v, TEXT_FACTS) for v in found if FILES in v.tags]
        out = [replace(v, aliases=tuple(a for a in ALIASES if named.get((v.name, a)) == v.version)) for v in ours]
        return sorted(out, key=lambda v: (v.name, v.version))

    def find(self, name: str, which: str) -> ModelVersion:
        """Return a version by its number or its alias.

        Raises
        ------
        ConfigError
            There is none: names those that are there.
        """
        from mlflow.exceptions import MlflowException

        try:
            by_number = which.isdigit()
            found = (
                self._client.get_model_version(name, which)
                if by_number
                else self._client.get_model_version_by_alias(name, which)
            )
        except MlflowException as e:
            names = sorted({v.name for v in self.versions()})
            if name not in names:
                raise ConfigError("registry", "model", name, f"one of {', '.join(names) or 'none yet'}") from e
            there = [str(v.version) for v in self.versions(name)]
            there += [a for v in self.versions(name) for a in v.aliases]
            raise ConfigError("registry", f"version of {name}", which, f"one of {', '.join(there)}") from e
        if FILES not in found.tags:
            raise ConfigError("registry", f"{name}@{which}", "no model of ours", "one that was registered here")
        return version_of(found, TEXT_FACTS)

    def set_alias(self, name: str, alias: str, which: str) -> ModelVersion:
        """Give a version an alias, and take it from whichever version had it."""
        check_alias(alias)
        found = self.find(name, which)
        self._client.set_registered_model_alias(name, alias, str(found.version))
        return self.find(name, str(found.version))

    def load(self, name: str, which: str, served: Served | None = None) -> Model:
        """Return a model that may be served.

        Parameters
        ----------
        served
            What rows are served with; what this environment says where None.

        Raises
        ------
        ConfigError
            The file is altered or missing, or packs, regime model or schema are not what is served.
        """
        found = self.find(name, which)
        model = Model(self.file(found, MODEL), found.label)
        schema = (found.facts["schema_topic"], found.facts["schema_version"])
        refuse_unserved(found.label, model, schema, served or Served.here())
        return model

    def file(self, version: ModelVersion, path: str) -> bytes:
        """Return an artefact of a version, whole.

        Raises
        ------
        ConfigError
            It is missing or altered.
        """
        if path not in version.files:
            raise ConfigError(version.label, "artefact", path, f"one of {', '.join(sorted(version.files))}")
        with tempfile.TemporaryDirectory() as folder:
            try:
                raw = Path(self._client.download_artifacts(version.run_id, path, folder)).read_bytes()
            except Exception as e:  # of MLflow or of its store: they share no base
                raise ConfigError(version.label, path, "missing", f"the file registered ({str(e)[:120]})") from e
        found, stated = hashlib.sha256(raw).hexdigest(), version.files[path]
        if found != stated:
            raise ConfigError(version.label, f"sha256 of {path}", found, f"{stated}, as it was registered")
        return raw

    def evidence(self, version: ModelVersion) -> Evidence:
        """Return what a version was registered with."""
        with tempfile.TemporaryDirectory() as folder:
            for path in (p for p in version.files if p.startswith("evidence/")):
                (Path(folder) / Path(path).name).write_bytes(self.file(version, path))
            return Evidence.read(Path(folder))

    def card(self, version: ModelVersion) -> dict[str, Any]:
        """Return the card of a version."""
        card: dict[str, Any] = json.loads(self.file(version, CARD))
        return card

    def trials(self, experiment: str) -> Trials:
        """Return every trial of an experiment."""
        found = self._client.get_experiment_by_name(experiment)
        return sweeps.read_trials(self._client, experiment, found.experiment_id if found else None)

    @contextmanager
    def trial(
        self, experiment: str, label: str, parameters: dict[str, Any], recipe_hash: str = ""
    ) -> Iterator[sweeps.Done]:
        """Write down a trial of a sweep around its work; see ``sweeps.trial``."""
        with sweeps.trial(self._client, self._experiment(experiment), label, parameters, recipe_hash) as done:
            yield done

    def _write(self, name: str, raw: bytes, model: Model, evidence: Evidence, card: dict[str, Any]) -> ModelVersion:
        """Write artefacts and run, then the version in one transaction."""
        client, experiment_id = self._client, self._experiment(evidence.experiment)
        run = client.create_run(experiment_id, tags={sweeps.KIND: sweeps.REGISTRATION}, run_name=name)
        run_id = run.info.run_id
        try:
            with tempfile.TemporaryDirectory() as folder:
                files = write_artefacts(Path(folder), raw, model, evidence, card, run_id)
                client.log_artifacts(run_id, folder)
            sweeps.log(client, run_id, params=sweeps.flat(evidence.method.parameters), metrics=metrics_of(card))
            client.set_terminated(run_id)
            with self.place.exclusive():
                known = self._same(name, model.sha256, evidence)
                return known or self._commit(name, run.info.artifact_uri, run_id, tags_of(facts(evidence, card), files))
        except BaseException:
            client.set_terminated(run_id, "FAILED")
            raise

    def _commit(self, name: str, artifacts: str, run_id: str, tags: dict[str, str]) -> ModelVersion:
        from mlflow.exceptions import MlflowException

        try:
            self._client.get_registered_model(name)
        except MlflowException:
            self._client.create_registered_model(name)
        made = self._client.create_model_version(name, f"{artifacts}/model", run_id, tags=tags, await_creation_for=0)
        return version_of(made, TEXT_FACTS)

    def _same(self, name: str, sha256: str, evidence: Evidence) -> ModelVersion | None:
        """Return the version that has this file, recipe and snapshot already, and was judged by the same costs."""
        want = (sha256, evidence.recipe_hash, evidence.dataset.snapshot_id)
        for v in self.versions(name):
            same = (v.sha256, v.facts["recipe_hash"], v.facts["data_snapshot_id"]) == want
            if same and self.evidence(v).costs == evidence.costs:
                return v
        return None

    def _name_newest(self, alias: str, version: ModelVersion) -> None:
        """Give the alias to a version unless a newer one has it: the last of concurrent registrations wins."""
        with self.place.exclusive():
            holders = [v.version for v in self.versions(version.name) if alias in v.aliases]
            if version.version > max(holders, default=0):
                self._client.set_registered_model_alias(version.name, alias, str(version.version))

    @staticmethod
    def _pages(search: Callable[..., Any], query: str | None) -> Iterator[Any]:
        token: str | None = None
        while True:
            page = search(query, max_results=PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _experiment(self, name: str) -> str:
        """Return the id of an experiment, made where it is new."""
        found = self._client.get_experiment_by_name(name)
        if found is None:
            with self.place.exclusive():
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    folder = f"{self.place.artifacts}/{quote(name, safe='')}"
                    return str(self._client.create_experiment(name, artifact_location=folder))
        return str(found.experiment_id)
