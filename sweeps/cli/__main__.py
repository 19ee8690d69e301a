"""`python -m sweeps.cli` is `almsweep`, for machines where scripts are not on the PATH."""

from sweeps.cli.main import main

main()
