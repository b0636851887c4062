"""Which images a data set consists of: digests of what its files hold, what changed since, and copies in two parts."""
