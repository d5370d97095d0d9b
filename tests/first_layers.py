"""An adapter of fewer layers: for what is not asked of all."""

from dataclasses import replace

import lora_lens as ll


def first_layers(adapter: ll.Adapter, count: int) -> ll.Adapter:
    """The adapter of so many layers alone."""
    modules = {
        name: replace(
            one, layers=one.layers[:count], names=one.names[:count], ranks=one.ranks[:count],
            a=one.a[:count], b=one.b[:count], scaling=one.scaling[:count],
        )
        for name, one in adapter.modules.items()
    }  # fmt: skip
    return replace(adapter, modules=modules)
