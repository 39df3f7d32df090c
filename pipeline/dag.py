"""The DAG: which nodes there are and what flows between them, wherever they run."""

import itertools
import json
from pathlib import Path
from typing import Any

import tensorflow_data_validation as tfdv
from tfx import v1 as tfx

from components.backbone.handles import resolve
from components.baseline.component import create_baseline
from components.content import content_hash
from components.data_gate.component import DataGate
from components.evaluator.component import Evaluator
from components.feature_extractor.component import FeatureExtractor
from components.image_example_gen.component import ImageExampleGen
from components.image_transform.component import ImageTransform
from components.image_transform.policies import changes_pictures, default_stored_side, own_ops
from components.importing import source_hash
from components.pusher.component import Pusher
from components.registry_pusher.component import RegistryPusher
from components.serving_check.component import ServingCheck
from components.statistics_gen.component import StatisticsGen
from components.trainer.component import Trainer
from components.warm_start.component import create_warm_start
from pipeline.config import Config
from pipeline.places import Places
from pipeline.schema import keep_schema
from pipeline.stores import connection


def create_pipeline(config: Config, places: Places, unseen: bool = False) -> tfx.dsl.Pipeline:
    """Wires every node of the pipeline.

    Each node is handed its own part of the configuration and nothing more, so a change reruns
    just the nodes that it concerns.

    Args:
      config: the task.
      places: where its runs lie.
      unseen: whether backbone and schema are left unread: they lie elsewhere, and the graph alone
        is wanted.

    Raises:
      BackboneError: the backbone's handle leads to no module.
    """
    data, transform = config.data, config.transform
    destination = places.serving(config.push.destination)
    module, module_hash = config.model.backbone.handle, ""
    if not unseen:
        module = resolve(module)
        module_hash = content_hash(module)

    images = ImageExampleGen(
        source=data.source,
        spans=data.spans,
        split=_json(data.split),
        group_by=data.group_by,
        near_copies=-1.0 if data.near_copies is None else data.near_copies,
        max_rejected=data.max_rejected,
        max_pixels=data.max_pixels,
        min_per_class=data.min_per_class,
    )
    statistics = StatisticsGen(
        examples=images.outputs["facts"], stats_options=tfdv.StatsOptions(num_top_values=1000)
    )
    if data.schema_path:
        schema = tfx.components.ImportSchemaGen(
            schema_file=data.schema_path if unseen else str(keep_schema(data.schema_path, places))
        )
    else:
        schema = tfx.components.SchemaGen(statistics=statistics.outputs["statistics"])
    validator = tfx.components.ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )
    gate = DataGate(
        anomalies=validator.outputs["anomalies"],
        facts=images.outputs["facts"],
        on_anomaly=data.on_anomaly,
    )
    transformed = ImageTransform(
        examples=images.outputs["examples"],
        frame=transform.model_dump_json(include={"image_size", "crop_fraction", "resize"}),
        augment=json.dumps(transform.augment, sort_keys=True),
        stored_side=transform.stored_side
        or default_stored_side(transform.image_size, transform.augment),
        seed=config.seed,
        own_code=source_hash(own_ops(transform.augment)),
    )
    transformed.add_upstream_node(gate)  # as an input, its report would be in the cache's key
    features = None
    if config.uses_features:
        features = FeatureExtractor(
            examples=images.outputs["examples"],
            transformed_examples=transformed.outputs["transformed_examples"],
            preprocessing=transformed.outputs["preprocessing"],
            handle=module,
            module_hash=module_hash,
            views=feature_views(config),
        )
    warm_start = None
    if config.train.warm_start:
        warm_start = create_warm_start(images.outputs["facts"], destination)
    trainer = Trainer(
        examples=images.outputs["examples"],
        transformed_examples=transformed.outputs["transformed_examples"],
        preprocessing=transformed.outputs["preprocessing"],
        features=features.outputs["features"] if features else None,
        facts=images.outputs["facts"],
        warm_start=warm_start.outputs["model"] if warm_start else None,
        run_fn=config.train.run_fn,
        model=_json(config.model),
        train=json.dumps(train_section(config), sort_keys=True),
        seed=config.seed,
        module_hash=module_hash,
        own_code=source_hash([config.train.run_fn, config.model.head, config.model.loss]),
        checkpoints=str(places.checkpoints),
    )
    baseline = create_baseline(trainer.outputs["model"], destination)
    evaluator = Evaluator(
        examples=images.outputs["examples"],
        facts=images.outputs["facts"],
        model=trainer.outputs["model"],
        baseline_model=baseline.outputs["model"],
        evaluate=_json(config.evaluate),
        seed=config.seed,
    )
    serving = ServingCheck(
        model=trainer.outputs["model"],
        examples=images.outputs["examples"],
        predictions=evaluator.outputs["predictions"],
        preprocessing=transformed.outputs["preprocessing"],
        tolerance=config.serving.tolerance,
        limits=json.dumps(
            config.serving.model_dump(mode="json", exclude={"tolerance"}), sort_keys=True
        ),
    )
    registry = json.dumps(places.registry(config.push), sort_keys=True)
    pusher = Pusher(
        model=trainer.outputs["model"],
        blessing=evaluator.outputs["blessing"],
        infra_blessing=serving.outputs["infra_blessing"],
        destination=destination,
        keep=config.push.keep,
        registry=registry,
    )
    nodes = [
        images,
        statistics,
        schema,
        validator,
        gate,
        transformed,
        *([features] if features else []),
        *([warm_start] if warm_start else []),
        trainer,
        baseline,
        evaluator,
        serving,
        pusher,
    ]
    if config.push.registry != "none":
        nodes.append(
            RegistryPusher(
                model=trainer.outputs["model"],
                pushed_model=pusher.outputs["pushed_model"],
                evaluation=evaluator.outputs["evaluation"],
                blessing=evaluator.outputs["blessing"],
                examples=images.outputs["examples"],
                preprocessing=transformed.outputs["preprocessing"],
                registry=registry,
                pipeline_name=config.name,
                config=json.dumps(
                    {
                        "seed": config.seed,
                        "data": data.model_dump(
                            mode="json", include={"source", "spans", "split", "group_by"}
                        ),
                        "transform": transform.model_dump(mode="json"),
                        "model": config.model.model_dump(mode="json"),
                        "train": train_section(config),
                    },
                    sort_keys=True,
                ),
                card=_json(config.card),
                champion=config.push.champion,
            )
        )
    return tfx.dsl.Pipeline(
        pipeline_name=config.name,
        pipeline_root=places.artifacts,
        metadata_connection_config=connection(places.metadata),
        components=nodes,
        enable_cache=True,
        beam_pipeline_args=[
            *config.beam.arguments(),
            # Without it TFX packs itself anew for workers that there are none of, at each node.
            f"--setup_file={Path(__file__).parents[1] / 'setup.py'}",
        ],
    )


def train_section(config: Config) -> dict[str, Any]:
    """The train section as the Trainer gets it: `max_epochs` applied, and so gone."""
    section = config.train.model_dump(mode="json", exclude={"max_epochs", "run_fn", "warm_start"})
    if config.train.max_epochs:
        for phase in section["phases"]:
            phase["epochs"] = min(phase["epochs"], config.train.max_epochs)
    return section


def feature_views(config: Config) -> int:
    """Views of each training picture that FeatureExtractor computes: no more than will be seen.

    One without augmentation; else `transform.views`, or the epochs of the head-only phases in
    front, where these are fewer.
    """
    if not changes_pictures(config.transform.augment):
        return 1
    phases = train_section(config)["phases"]
    in_front = itertools.takewhile(lambda phase: phase["train"] == "head", phases)
    return min(config.transform.views, sum(phase["epochs"] for phase in in_front))


def _json(section: Any) -> str:
    return json.dumps(section.model_dump(mode="json"), sort_keys=True)
