"""How long a part of the check may go on. All of them together fit into a quarter of an hour of a card, its start included;
what one does not reach, the next call with the same --out goes on with."""

import math
import time

SECONDS = {
    "test": 150,
    "sanitize": 150,
    "convolutions": 120,
    "resnet": 180,
    "seed": 65,
    "head": 45,
    "bandwidth": 40,
    "memory": 90,
}


class OutOfTime(Exception):
    """Work that was broken off because the time was up: not reached, and no failure."""


class Budget:
    """Until when new work begins: some seconds from now, or after so many cases, which rehearses a run that is cut
    short. What is under way then has `grace_s` more."""

    def __init__(self, seconds=math.inf, cases=math.inf, grace_s=15.0):
        self.ends, self.cases, self.grace_s = time.monotonic() + seconds, cases, grace_s

    def left(self):
        """Seconds; negative when the time is up."""
        return self.ends - time.monotonic()

    def patience(self):
        """Seconds for what is under way."""
        return max(self.left(), 0) + self.grace_s

    def is_open(self):
        """Whether one more case may begin."""
        return self.left() >= 0 and self.cases > 0

    def begin(self):
        """The same; and then it has."""
        begins = self.is_open()
        self.cases -= begins
        return begins
