"""The graph of a RobNet: which states a cell's 14 edges join, which edges matter, and which states a ReLU is needed of.

A cell has two inputs, s0 and s1, the outputs of the two cells before it (of the stem, for the first), and four nodes; each node
is the sum of an edge from every state before it, and the output is the nodes side by side (Guo et al. 2020, Sec. 3.2).
"""

NODES = 4
STATES = ("s0", "s1", "n0", "n1", "n2", "n3")
WIRES = tuple((source, node) for node in range(NODES) for source in range(node + 2))  # of each edge: a state, a node
EDGES = len(WIRES)
DIRECT = tuple(edge for edge, (source, node) in enumerate(WIRES) if source == node + 1)  # 1, 4, 8, 13
CODES = ("00", "01", "10", "11")
NONE, SKIP = "00", "10"

Codes = tuple[str, ...]
"""Of each edge of a cell, two bits: whether it has the identity, and whether it has the convolution."""


def used_edges(cells: tuple[Codes, ...]) -> tuple[tuple[bool, ...], ...]:
    """Whether each edge's code makes a difference: what it starts from is not zero, and what it leads to is used.

    A state is zero without a path to it from the stem, a cell's output is used if there is one from it to the last cell. (A
    convolution of zeros is zero: no layer in it has a bias; where its batch norms have one, it counts as zero here.)
    """
    lives = [True, True]  # the outputs of the cells, after two of the stem: cell k reads k and k + 1, and makes k + 2
    starts = []
    for codes in cells:
        states = [*lives[-2:], *(False,) * NODES]
        for code, (source, node) in zip(codes, WIRES, strict=True):
            states[node + 2] |= states[source] and code != NONE
        starts.append(states)
        lives.append(any(states[2:]))
    needed = [False] * (len(cells) + 1) + [True]
    for k in reversed(range(len(cells))):
        for code, (source, _) in zip(cells[k], WIRES, strict=True):
            if source < 2:
                needed[k + source] |= needed[k + 2] and starts[k][source] and code != NONE
    return tuple(tuple(needed[k + 2] and states[source] for source, _ in WIRES) for k, states in enumerate(starts))


def live(cells: tuple[Codes, ...]) -> tuple[Codes, ...]:
    """The same network without what makes no difference: "00" on each edge that is not used."""
    used = used_edges(cells)
    return tuple(tuple(c if u else NONE for c, u in zip(*pair, strict=True)) for pair in zip(cells, used, strict=True))


def edge_stride(edge: int, reduces: bool) -> int:
    """2 from the inputs of a cell that reduces, else 1."""
    return 2 if reduces and WIRES[edge][0] < 2 else 1


def reads(codes: Codes, state: int) -> bool:
    """Whether any of a live cell's edges starts from a state."""
    return any(code != NONE for code, (source, _) in zip(codes, WIRES, strict=True) if source == state)


def rectified(codes: Codes, reduces: bool) -> tuple[str, ...]:
    """The states of a live cell that need a ReLU, in order.

    Those are what a convolution reads, or a skip of stride 2. A node that is nothing but a skip from a state is that state, and
    has no ReLU beside its.
    """
    wanted = [False] * len(STATES)
    for node in reversed(range(NODES)):
        edges = [edge for edge in range(EDGES) if WIRES[edge][1] == node and codes[edge] != NONE]
        copies = len(edges) == 1 and codes[edges[0]] == SKIP and edge_stride(edges[0], reduces) == 1
        for edge in edges:
            plain = codes[edge] == SKIP and edge_stride(edge, reduces) == 1
            wanted[WIRES[edge][0]] |= wanted[node + 2] if copies else not plain
        wanted[node + 2] &= not copies
    return tuple(name for name, needs in zip(STATES, wanted, strict=True) if needs)
