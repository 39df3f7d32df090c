import os

import hypothesis

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# The quick tests try the same examples each time; `make verify` looks for new ones.
hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.load_profile("repeatable")
