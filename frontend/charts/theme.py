"""Colours of lines and of bars without text on them, for either background.

Those of `frontend.charts.votes` are dark enough for white text and pale on a dark page. Each of these has a
contrast of 3 : 1 or more against its own background, and no picture needs them: its parts differ otherwise
as well.
"""

from typing import Final

from frontend.charts import votes

ON_LIGHT: Final = votes.PALETTE[:3]
ON_DARK: Final = ("#7aa7ff", "#f5a742", "#3fc9b5")


def of(*, is_light: bool) -> list[str]:
    """Three colours that are seen on the page's background."""
    return list(ON_LIGHT if is_light else ON_DARK)
