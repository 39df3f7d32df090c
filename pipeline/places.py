"""Where a task's runs, models and records lie on disk."""

import dataclasses
from pathlib import Path
from typing import Any

from components.errors import ConfigError
from components.files import in_bucket
from components.registry_pusher.addresses import address_of
from pipeline.config import Config
from pipeline.config_push import Push


@dataclasses.dataclass(frozen=True)
class Places:
    """The folders of one task below RUNS.

    Attributes:
      runs: the RUNS folder, absolute.
      name: the configuration's name.
      server: the address of a metadata store for many machines, mysql://HOST/DATABASE; None: a
        SQLite file.
      bucket: gs://BUCKET/PATH for the artifacts; None: beside all else.
    """

    runs: Path
    name: str
    server: str | None = None
    bucket: str | None = None

    @classmethod
    def of(cls, runs: str | Path, config: Config) -> "Places":
        """The places of a configuration's runs.

        Raises:
          ConfigError: `runs` is empty.
        """
        if not str(runs):
            raise ConfigError("--runs: is empty; give a folder for runs and models, such as runs")
        return cls(Path(runs).expanduser().resolve(), config.name)

    @classmethod
    def on_kubeflow(cls, config: Config) -> "Places":
        """The places that every task of a configuration's runs on Kubeflow sees."""
        settings = config.kubeflow
        runs = Path(settings.volume.mount_path, "runs")
        return cls(runs, config.name, settings.metadata.uri, settings.root)

    @property
    def home(self) -> Path:
        """RUNS/<name>."""
        return self.runs / self.name

    @property
    def metadata(self) -> str:
        """The metadata store: a SQLite file, or a server's address."""
        return self.server or str(self.home / "metadata.db")

    @property
    def artifacts(self) -> str:
        """TFX's pipeline root."""
        return f"{self.bucket}/{self.name}" if self.bucket else str(self.home / "artifacts")

    @property
    def checkpoints(self) -> Path:
        """Checkpoints that outlive a killed Trainer."""
        return self.home / "checkpoints"

    @property
    def summary(self) -> Path:
        """`summary.json` of the last run."""
        return self.home / "summary.json"

    def report(self, run_id: str) -> Path:
        """Folder of a run's report."""
        return self.home / "reports" / run_id

    def log(self, run_id: str) -> Path:
        """What the libraries said during a run."""
        return self.home / "logs" / f"{run_id}.log"

    def serving(self, destination: str | None) -> str:
        """Where pushed versions lie, given the configuration's `push.destination`: a folder's path,
        or an address in a bucket."""
        if not destination:
            return str(self.home / "serving")
        if in_bucket(destination):
            return destination.rstrip("/")
        return str(Path(destination).expanduser().resolve())

    def registry(self, push: Push) -> dict[str, Any]:
        """Which registry, where, and under which name, given the configuration's `push`."""
        spec = {
            "kind": push.registry,
            "uri": push.registry_uri or address_of(self.runs / "mlflow.db"),
            "model_name": push.model_name or self.name,
        }
        if push.registry_token_path:
            spec["token_path"] = str(Path(push.registry_token_path).expanduser().absolute())
        return spec
