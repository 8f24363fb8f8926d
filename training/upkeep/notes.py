"""The last refusal of a model's retraining or challenger, as a tag of the registered model.

Without it a pass would learn from the same rows again. A note is about one champion and ends with it.
"""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from concord.errors import TrainingError
from training.registry.versions import first_line

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow takes two seconds to import.
# ruff: noqa: PLC0415

NOTE_TAG: Final = "concord.upkeep.refused"
"""Tag of a registered model."""

MOST_CHARACTERS: Final = 1000
"""Of the reason: MLflow keeps 5,000 characters a tag."""


@dataclass(frozen=True)
class Note:
    """One refusal.

    Attributes:
        champion: The version that was served then.
        until: When, ISO 8601 in UTC: labelled rounds after it are new.
        why: The reason, a sentence.
        version: The version that was refused; None where none was registered.
    """

    champion: str
    until: str
    why: str
    version: str | None = None


class Notes:
    """The notes in the registry.

    Args:
        client: MLflow's, of the registry.
    """

    def __init__(self, client: "MlflowClient") -> None:
        self._client = client

    def read(self, model: str) -> Note | None:
        """A model's note; None where there is none that can be read.

        Raises:
            TrainingError: The registry does not serve.
        """
        from mlflow.exceptions import MlflowException

        try:
            text = self._client.get_registered_model(model).tags.get(NOTE_TAG)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise _away(error) from error
        try:
            return Note(**json.loads(text)) if text else None
        except (TypeError, ValueError):
            return None

    def write(self, model: str, note: Note) -> None:
        """Replaces a model's note.

        Raises:
            TrainingError: The registry does not serve.
        """
        from mlflow.exceptions import MlflowException

        short = asdict(note) | {"why": note.why[:MOST_CHARACTERS]}
        try:
            self._client.set_registered_model_tag(model, NOTE_TAG, json.dumps(short, ensure_ascii=False))
        except MlflowException as error:
            raise _away(error) from error


def _away(error: Exception) -> TrainingError:
    return TrainingError(f"The registry does not serve: {first_line(error)}")
