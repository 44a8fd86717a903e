"""When the packages of tests were made."""

EPOCH = 1_750_000_000
