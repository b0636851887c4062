"""Seeing through frosted glass: every pixel takes the value of a random near one, in a scan whose order matters.

One pass of the benchmark walks from the bottom right to the top left; at pixel p it draws a neighbour q and is meant to
swap the two. Its swap assigns between array views, so q keeps its value and only p changes: p <- q. The benchmark's
files were made that way, so this is what is computed here, without walking: q's value at that moment is the original
one unless q was visited before p, and then it is what q took. Following these references to their end by pointer
doubling gives every pixel's source at once.
"""

import torch
from torch import Generator, Tensor


def neighbours(batch: int, height: int, width: int, reach: int, generator: Generator) -> Tensor:
    """For every pixel the flat index of the pixel it is to copy, (batch, height * width), on the CPU.

    A visited pixel, reach < row <= height - reach and the same for columns, draws both moves uniformly from -reach ..
    reach - 1; the others name themselves.
    """
    moves = torch.randint(-reach, reach, (2, batch, height, width), generator=generator)
    rows = torch.arange(height)[:, None].expand(height, width)
    columns = torch.arange(width).expand(height, width)
    visited = (rows > reach) & (rows <= height - reach) & (columns > reach) & (columns <= width - reach)
    moves = moves * visited
    return ((rows + moves[0]) * width + columns + moves[1]).flatten(1)


def sources(copies: Tensor) -> Tensor:
    """Where each pixel's value comes from after one pass: flat indices (B, N), from copies (B, N) of `neighbours`.

    A pixel visited earlier has the higher index. source(p) = q if q <= p, else source(q), for q = copies(p). A pixel
    that is never visited has q = p and so keeps its own value.
    """
    own = torch.arange(copies.shape[1], device=copies.device).expand_as(copies)
    last = torch.where(copies > own, copies, own)
    while True:
        further = last.gather(1, last)
        if torch.equal(further, last):
            return copies.gather(1, last)
        last = further


def shuffle(images: Tensor, reach: int, generator: Generator) -> Tensor:
    """One pass over images (B, C, H, W); reach in pixels."""
    batch, channels, height, width = images.shape
    places = sources(neighbours(batch, height, width, reach, generator).to(images.device))
    return images.flatten(2).gather(2, places[:, None].expand(-1, channels, -1)).view_as(images)
