"""What an evaluation is made of: the paths of a network, parts that can be done one by one, and what their outcomes say."""
