"""What a SavedModel must not hold, since no server has it: Python functions, paths of this machine.

It needs the files alone: nothing is loaded or run. An op that only some library brings shows
elsewhere: the probe's process, which imports TensorFlow alone, fails to load it.
"""

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from tensorflow.core.framework.graph_debug_info_pb2 import GraphDebugInfo
from tensorflow.core.protobuf.fingerprint_pb2 import FingerprintDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

_PYTHON_OPS = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
_MESSAGES = {
    "saved_model.pb": SavedModel,
    "fingerprint.pb": FingerprintDef,
    "debug/saved_model_debug_info.pb": GraphDebugInfo,
}
# Two parts at least, and nothing before it that would make it the rest of a name or a URL.
_PATH = re.compile(r"(?:(?<![\w.\-/\\>])|(?<=file://))/([\w.+@-]+)/[\w.+@-][^\s\"'<>|,;()\[\]{}]*")


def python_functions(folder: str | Path) -> list[str]:
    """Returns the nodes that call back into the Python process which wrote them, as "name (op)".

    Args:
      folder: a SavedModel.

    Raises:
      OSError: there is no `saved_model.pb`.
      google.protobuf.message.DecodeError: it is none.
    """
    found = []
    for meta_graph in _read(Path(folder, "saved_model.pb"), SavedModel()).meta_graphs:
        functions = meta_graph.graph_def.library.function
        for nodes in (meta_graph.graph_def.node, *(each.node_def for each in functions)):
            found += [f"{node.name} ({node.op})" for node in nodes if node.op in _PYTHON_OPS]
    return sorted(set(found))


def absolute_paths(folder: str | Path, labels: Collection[str] = ()) -> list[str]:
    """Returns the paths of this machine in a SavedModel's files, as "path (in file)".

    A path has two parts or more and begins in a folder that this machine has, so that "/cat" is
    none, nor is the name of a node. The variables are left out: they are numbers.

    Args:
      folder: a SavedModel.
      labels: names of the classes, which are no paths even where they look like some.

    Raises:
      OSError: a file cannot be read.
      google.protobuf.message.DecodeError: a file is not what its name says.
    """
    found = set()
    look_alikes = [label for label in labels if label.startswith("/")]
    for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if name.startswith("variables/"):
            continue
        message = _MESSAGES.get(name)
        texts = _texts(_read(path, message())) if message else [path.read_bytes()]
        for text in filter(_may_hold_one, texts):
            said = text.decode(errors="replace")
            for label in look_alikes:
                said = said.replace(label, "")
            for match in _PATH.finditer(said):
                if os.path.isdir(f"/{match[1]}"):
                    found.add(f"{match[0]} (in {name})")
    return sorted(found)


def _read(path: Path, message: Message) -> Message:
    message.ParseFromString(path.read_bytes())
    return message


def _may_hold_one(text: bytes) -> bool:
    return text.count(b"/") > 1


def _texts(message: Message) -> Iterator[bytes]:
    """All texts and bytes in a message, wherever, but the content of tensors of numbers."""
    for field, value in message.ListFields():
        values = value if field.label == FieldDescriptor.LABEL_REPEATED else [value]
        if field.message_type and field.message_type.GetOptions().map_entry:
            inner = field.message_type.fields_by_name["value"]
            yield from (str(key).encode() for key in value)
            values, field = list(value.values()), inner
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for each in values:
                yield from _texts(each)
        elif field.type == FieldDescriptor.TYPE_STRING:
            yield from (each.encode() for each in values)
        elif field.type == FieldDescriptor.TYPE_BYTES and field.name != "tensor_content":
            yield from values
