"""Our training steps beside the plain ones of `rlnet.reference`: how fast they are, and what their students are worth."""
