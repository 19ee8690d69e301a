"""Where a trial's images are while it trains."""

from __future__ import annotations

from typing import Literal, TypeAlias

# By the rule of `trainer.data.residency`, on the device, or read batch by batch.
ImagesWhere: TypeAlias = Literal["auto", "resident", "streamed"]
