"""Finds a class by its name, by a number, or by what a cell of the data says.

A name comes before a place: where a class's name is a number, a number means that name and never a place.
"""

from collections.abc import Mapping, Sequence
from unicodedata import normalize

from concord.tasks.numbers import NUMBER, parse_number


class ClassNames:
    """The names of a task's classes.

    Args:
        names: In the order of their places, in the Unicode normal form NFC.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._places = {name: place for place, name in enumerate(names)}
        self._numbers: dict[float, list[str]] = {}
        for name in filter(NUMBER.fullmatch, names):
            self._numbers.setdefault(parse_number(name), []).append(name)

    @property
    def are_numbers(self) -> bool:
        """Whether some name is a number, so that numbers mean names."""
        return bool(self._numbers)

    def find_name(self, name: str) -> int | None:
        """The place of the class of this name, in whatever Unicode form; None where there is none."""
        place = self._places.get(name)
        return self._places.get(normalize("NFC", name)) if place is None else place

    def find_number(self, number: float) -> int | None:
        """The place of the class that a number means; None where it means none, or several."""
        if not self._numbers:
            # In JSON 2.0 is the same number as 2.
            return int(number) if number in range(len(self._places)) else None
        names = self._numbers.get(number, [])
        if repr(number) in names:
            return self._places[repr(number)]
        return self._places[names[0]] if len(names) == 1 else None

    def find_text(self, text: str) -> int | None:
        """The place of the class that a text means, as typed or in a cell: by its name, or as a number."""
        text = text.strip()
        place = self.find_name(text)
        if place is not None or not NUMBER.fullmatch(text):
            return place
        return self.find_number(parse_number(text))


class AnswerTexts:
    """What the cells of a column of answers mean: a class's name, or a text that stands for one.

    Args:
        labels: The classes' names.
        names: Text of a cell → class.
    """

    def __init__(self, labels: Sequence[str], names: Mapping[str, str]) -> None:
        named = {normalize("NFC", text): normalize("NFC", label) for text, label in names.items()}
        self._labels = named | {label: label for label in labels if label not in named}
        self.texts = tuple(self._labels)
        """Every text that is declared."""
        self._known = ClassNames(self.texts)

    def find(self, text: str) -> str | None:
        """The class of a cell; `1.0` is what `1` is. None where the text is not declared."""
        place = self._known.find_text(text) if self._known.are_numbers else self._known.find_name(text)
        return None if place is None else self._labels[self.texts[place]]
