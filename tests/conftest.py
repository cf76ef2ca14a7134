"""What all tests share: how hard hypothesis looks.

The profile is `ci` unless HYPOTHESIS_PROFILE names another. No example has a
deadline, because exponentiations over the real group take as long as the machine
lets them; a test that hangs is stopped by the timeout in pyproject.toml.
"""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.postgres"]

settings.register_profile(
    "ci",
    deadline=None,
    max_examples=25,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("quick", settings.get_profile("ci"), max_examples=5)
settings.register_profile("thorough", settings.get_profile("ci"), max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# A shell starts what it runs in the background deaf to interrupts, and children inherit that.
# Programs that the tests interrupt have to hear it.
for _deaf in (signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(_deaf) == signal.SIG_IGN:
        signal.signal(_deaf, signal.SIG_DFL)
