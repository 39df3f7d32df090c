"""Pictures in class folders to the TFRecords that ImportExampleGen reads.

python docs/comparison/tfx_template/records.py IMAGES RECORDS
"""

import sys
from pathlib import Path

import tensorflow as tf

images, records = map(Path, sys.argv[1:])
labels = sorted(folder.name for folder in (images / "train").iterdir())
for split in ("train", "eval", "test"):
    (records / split).mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(records / split / "cells.tfrecord")) as writer:
        for path in sorted((images / split).glob("*/*")):
            feature = {
                "image": tf.train.Feature(bytes_list={"value": [path.read_bytes()]}),
                "label": tf.train.Feature(int64_list={"value": [labels.index(path.parent.name)]}),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
