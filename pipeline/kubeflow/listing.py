"""Lists of Kubeflow Pipelines, read to their last page."""

import json
from collections.abc import Callable, Iterator
from typing import Any

_PAGE = 100


def listed(
    ask: Callable[..., Any], field: str, name: str | None = None, **more: Any
) -> Iterator[Any]:
    """Yields what a list call of kfp.Client gives, oldest first.

    Args:
      ask: the call, such as client.list_pipelines.
      field: the attribute of its answer that holds the things, such as "pipelines".
      name: only what is called exactly so.
      more: further arguments of the call.

    Raises:
      ClusterError: as the call does.
    """
    predicate = {"operation": "EQUALS", "key": "display_name", "string_value": name}
    chosen = None if name is None else json.dumps({"predicates": [predicate]})
    token = ""
    while True:
        answer = ask(
            page_token=token, page_size=_PAGE, sort_by="created_at asc", filter=chosen, **more
        )
        for thing in getattr(answer, field) or ():
            # The server's database may compare without case.
            if name is None or thing.display_name == name:
                yield thing
        token = answer.next_page_token
        if not token:
            return
