"""The fixtures that tests of all kinds share; none of them starts anything before a test asks for it."""

pytest_plugins = ["tests.harness.fixtures", "tests.harness.rayllm_api"]
