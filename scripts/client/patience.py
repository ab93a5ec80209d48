"""How long one who follows something bears with a server that is away."""

import time

from .api import LATER, Refused, Unreachable

LONGEST = 60


class Patience:
    def __init__(self):
        self._answered, self._since = False, None

    def ask(self, question):
        """The answer; or None, after a second, when it is worth asking again. Before the first answer a failure is the caller's
        mistake; later, the server may be on its way back."""
        asked = time.monotonic()
        try:
            answer = question()
        except (Unreachable, Refused) as error:
            refused = isinstance(error, Refused) and error.status < 500 and error.status not in LATER
            self._since = self._since or asked
            if not self._answered or refused or asked - self._since > LONGEST:
                raise
            time.sleep(1)
            return None
        self._answered, self._since = True, None
        return answer
