"""The three stages of an experiment in the order in which they run: teacher, mask search, student; and what they share."""
