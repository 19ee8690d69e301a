"""`python -m sweeps.cli` is `almsweep`, for machines where scripts are not on the PATH."""

from sweeps.clash import settle_names

settle_names()

from sweeps.cli.main import main  # noqa: E402 (only now does it find our packages)

main()
