"""A party's share of a value: fixed-point numbers modulo 2^64, exact products, truncation, and what went wrong in it."""
