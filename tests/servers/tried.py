"""A tiny model to try, and the real server of `graft serve` before it."""

import contextlib
import functools
import io
import sys
import threading
import time
from pathlib import Path

import numpy as np
import requests
from PIL import Image

sys.path.append(str(Path(__file__).parents[1] / "components" / "trainer"))

LABELS = sorted(["<script>alert(1)</script>", "\u202enana", "plain & <b>simple</b>"])
"""Names of classes that a page must show as text."""


def export_model(folder, labels=tuple(LABELS), frame=None):
    """A SavedModel of the pipeline's own for pictures of 24 x 24; returns its folder as text."""
    import tensorflow as tf
    import trainer_samples as samples

    from components.backbone.backbone import load_backbone
    from components.trainer.network import Network
    from components.trainer.records import load_preprocessing
    from components.trainer.signatures import ServedModel, export, get_facts

    module = samples.write_module(Path(folder) / "module")
    settings = load_preprocessing(samples.write_preprocessing(Path(folder) / "p", labels=labels))
    section = samples.model_section(module)
    network = Network(load_backbone(module, batch_norm="inference"), 3, section, samples.SIZE, 1)
    network.head.kernel.assign(2 * tf.random.stateless_normal([8, 3], [0, 3]))
    served = ServedModel(network.backbone.export(), network.head, settings)
    facts = get_facts(settings, module, section["head"], 1.0)
    export(served, str(Path(folder) / "model"), facts)
    return str(Path(folder) / "model")


def picture(format="PNG", size=(60, 40), seed=0, mode="RGB", **how):
    """Encoded bytes of a colourful noisy picture, wider than it is high."""
    width, height = size
    noise = np.random.default_rng(seed).integers(0, 90, (height, width, 3))
    ramp = np.linspace(0, 160, width)[None, :, None] * [1.0, 0.6, 0.2]
    held = io.BytesIO()
    pixels = (noise + ramp).astype(np.uint8)
    Image.fromarray(pixels).convert(mode).save(held, format, **how)
    return held.getvalue()


@functools.cache
def bomb(width=10_000, height=10_000):
    """A small PNG of very many pixels."""
    held = io.BytesIO()
    Image.new("1", (width, height)).save(held, "PNG")
    return held.getvalue()


def ask_until(address, status):
    """Sends pictures until one is answered with a status; returns that answer."""
    end = time.monotonic() + 60
    while (response := requests.post(f"{address}/classify", data=picture())).status_code != status:
        assert time.monotonic() < end, response.text
    return response


@contextlib.contextmanager
def serving(model, *, max_bytes=2**20, max_concurrency=4, hosts=("127.0.0.1",), **how):
    """Serves a loaded model on a free port by real HTTP; yields the address."""
    from pipeline.try_it.app import create_app
    from pipeline.try_it.limits import Limits
    from pipeline.try_it.server import listen, server_of

    with listen("127.0.0.1", 0) as bound:
        server = server_of(create_app(model, Limits(max_bytes, max_concurrency, **how), hosts))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
