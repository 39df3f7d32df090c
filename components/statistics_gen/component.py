"""StatisticsGen: TFX's own, over those facts that say something of the data as a whole."""

from tfx import v1 as tfx
from tfx.dsl.components.base import executor_spec

from components.statistics_gen.executor import Executor


class StatisticsGen(tfx.components.StatisticsGen):
    """TFX's StatisticsGen without the facts that differ from picture to picture by their nature
    (id, path, group): of these it would count every value, which takes longer than all the rest."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
