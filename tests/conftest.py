"""The fixtures that tests of all kinds share; none of them starts anything before a test asks for it."""

from hypothesis import settings

pytest_plugins = ["tests.harness.fixtures", "tests.harness.rayllm_api"]

# Few cases while one works; `make test-long` asks for the nightly profile.
settings.register_profile("default", max_examples=50, deadline=None)
settings.register_profile("nightly", max_examples=10_000, deadline=None, print_blob=True)
settings.load_profile("default")
