"""`python -m cli`, for places where the `emoreason` script is not on the path."""

from cli.main import main

main()
