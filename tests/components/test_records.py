import tensorflow as tf

from components.image_example_gen.writer import SplitWriter
from components.records import read_records


def test_records_come_file_after_file_and_without_a_search_for_parallelism(tmp_path):
    for shard in range(2):
        with SplitWriter(str(tmp_path), shard, 2) as writer:
            for number in range(3):
                writer.write("train", b"%d-%d" % (shard, number))
    files = sorted(str(path) for path in (tmp_path / "Split-train").glob("*.gz"))
    records = read_records(files)
    assert list(records.as_numpy_iterator()) == [
        b"%d-%d" % (shard, number) for shard in range(2) for number in range(3)
    ]
    # What is made of it inherits that: its thread would be waited for, up to a minute.
    derived = records.batch(2).map(tf.strings.length).prefetch(1)
    assert derived.options().autotune.enabled is False
    assert list(read_records([]).as_numpy_iterator()) == []
