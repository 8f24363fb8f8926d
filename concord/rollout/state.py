"""What is known of one node's versions at one moment: a value, from which everything else follows.

Three say it: the node (which version answers), its entry (which one is wanted), and the ledger (what was
decided last, since when). They differ while a node rolls, and where a process died between two of them.
What a decision comes to is `concord.rollout.planning`'s to say.
"""

from dataclasses import dataclass
from typing import Final

from concord.policies.stake import Action, Appointment
from concord.rollout.desired import NOTHING, Entry, number
from concord.types.models import Phase

PACKAGED: Final = "packaged"
"""In place of a number: the version in the node's image, where the registry does not know it."""

Pair = tuple[str | None, str | None]
"""Champion and challenger."""


@dataclass(frozen=True, slots=True)
class RolloutState:
    """One node's versions at one moment.

    Attributes:
        name: Registered name.
        served: The version that answers, as the node says; None while it cannot be asked.
        tried: The version that answers beside it.
        dropped: Why that one answers no more.
        entry: What is wanted.
        appointment: What was decided last.
        recorded: The version that the ledger's record is of, for a node that cannot be asked.
        previous: What a rollback returns to, where only the registry remembers it.
    """

    name: str
    served: str | None = None
    tried: str | None = None
    dropped: str | None = None
    entry: Entry = NOTHING
    appointment: Appointment | None = None
    recorded: str | None = None
    previous: str | None = None

    @property
    def champion(self) -> str | None:
        """The version that counts, or will once the node has rolled."""
        return number(self.entry.champion) or self.served or self.recorded

    @property
    def challenger(self) -> str | None:
        """The version beside it; an alias is what the node made of it."""
        return number(self.entry.challenger) or (self.tried if self.entry.challenger else None)

    @property
    def pair(self) -> Pair:
        """Both."""
        return self.champion, self.challenger

    @property
    def is_watched(self) -> bool:
        """Whether the challenger is who was champion before."""
        last, (champion, challenger) = self.appointment, self.pair
        if last is None or challenger is None:
            return False
        # Or one that was promoted by a process that died before it could say so.
        is_made = last.action == "promote" or (last.action == "challenge" and last.version == champion)
        return is_made and (last.version, last.before) == (champion, challenger)

    @property
    def phase(self) -> Phase:
        """`serving` without a challenger."""
        if self.challenger is None:
            return "serving"
        return "watch" if self.is_watched else "probation"

    @property
    def since(self) -> int | None:
        """When the phase began, in µs since the epoch, as the ledger has it."""
        last, phase = self.appointment, self.phase
        if last is None or (phase == "probation" and not self.decided("challenge", self.challenger)):
            return None
        return None if phase == "watch" and last.action != "promote" else last.at

    @property
    def returns_to(self) -> str | None:
        """What a rollback returns to."""
        known = self.appointment.previous if self.appointment else None
        found = known or self.previous
        return None if found == self.champion and found != PACKAGED else found

    @property
    def rolls(self) -> bool:
        """Whether the node answers with other versions than are wanted, or the ledger has not heard yet."""
        champion = number(self.entry.champion)
        if self.appointment is not None and self.served and self.recorded not in (None, self.served):
            # What a node answers counts for no version until the ledger knows which one it serves.
            return True
        if self.served is not None and champion is not None and self.served != champion:
            return True
        last = self.appointment
        if champion is None and last and (last.version, last.before) == (PACKAGED, self.served):
            return True
        if self.served is None or self.dropped is not None:
            return False
        challenger = number(self.entry.challenger)
        return self.tried != challenger if challenger or not self.entry.challenger else False

    def serves(self, version: str | None) -> bool:
        """Whether a version, or the packaged one, is the one that counts."""
        return self.entry.champion is None if version == PACKAGED else version == self.champion

    def decided(self, action: Action, version: str | None) -> bool:
        """Whether this was decided last."""
        last = self.appointment
        return last is not None and (last.action, last.version) == (action, version)
