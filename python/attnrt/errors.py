# SPDX-License-Identifier: Apache-2.0
"""What attnrt raises. Each message is one sentence: the thing, the value seen, the value wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, List, NamedTuple

if TYPE_CHECKING:
    from attnrt import Choice


class Error(RuntimeError):
    """Any failure of attnrt."""


class InvalidError(Error, ValueError):
    """The caller broke the contract."""


class UnsupportedError(Error):
    """A valid request that this kernel cannot serve; another backend may."""


class UnavailableError(Error):
    """No such device, driver or firmware here."""


class OutOfMemoryError(Error, MemoryError):
    """Memory is exhausted."""


class FailedError(Error):
    """An internal failure."""


class Reason(NamedTuple):
    """Why one variant, or one backend as a whole, cannot serve a problem."""

    backend: str
    variant: str
    """"" where the whole backend is meant."""
    code: str
    """HEAD_SIZE, ISA, SINKS ...; for a backend that is not loaded its state."""
    text: str
    detail: str
    """The value wanted and the values offered."""

    def __str__(self) -> str:
        name = self.backend + ("/" + self.variant if self.variant else "")
        return name + ": " + self.text + (" (" + self.detail + ")" if self.detail else "")


class NoBackendError(UnsupportedError):
    """No backend can serve a problem. `choice` explains; `reasons` has every refusal."""

    def __init__(self, message: str, choice: Choice) -> None:
        super().__init__(message)
        self.choice = choice

    @property
    def reasons(self) -> List[Reason]:
        return self.choice.reasons


def reasons_of(choice: Choice) -> List[Reason]:
    """The refusals in a choice, in the order in which backends were asked."""
    reasons = []
    for candidate in choice.details["candidates"]:
        if not candidate["variants"] and not candidate["valid"]:
            state = candidate["state"]
            reasons.append(
                Reason(candidate["backend"], "", state.upper().replace(" ", "_"), state, candidate["sentence"] or "")
            )
        for variant in candidate["variants"]:
            for reason in variant["reasons"]:
                reasons.append(
                    Reason(
                        candidate["backend"], variant["name"], reason["code"], reason["text"], reason["detail"] or ""
                    )
                )
    return reasons
