"""Our protocol: a ReLU layer costs one message each way, and nothing else costs anything online.

Every value v of the network is a masked value at the server and a mask that the client knows before its image exists:

    server: v - m        client: m

So the client's pass over the network is offline, on masks, and the server's online, on masked values. Both are additive shares
of v, and what a party does to a share alone is what it does in any protocol.

Sources: function secret sharing for comparison (Boyle et al. 2015, 2016, 2021); Orca (Jawalkar et al. 2024) opens a masked bit
after a comparison with early termination, in two rounds; SIGMA (Gupta et al. 2024) compares low bits only and truncates with
slack; Delphi (Mishra et al. 2020) keeps the client's side of the linear layers offline. Joined to one round trip by us.
"""
