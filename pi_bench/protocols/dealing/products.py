"""Products of an operation: of two random tensors, or with the mask of weights that the client knows masked."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pi_bench.model.operations import Conv, Linear
from pi_bench.protocols.dealing.correlation import Correlation, Deal, Shape, Tensors
from pi_bench.protocols.dealing.randomness import Stream
from pi_bench.protocols.shares.products import multiply


@dataclass(frozen=True)
class _Product(Correlation):
    """A product of the operation's, of which the server gets what has to fit; input_shape is with the batch dimension."""

    operation: Conv | Linear
    input_shape: Shape

    @property
    def product_shape(self) -> Shape:
        return (self.input_shape[0], *self.operation.shape)

    @property
    def server_shapes(self) -> tuple[Shape, ...]:
        return (self.product_shape,)


@dataclass(frozen=True)
class BilinearTriple(_Product):
    """Shares of an input-shaped a, a weight-shaped b, and the operation's product of the two."""

    def deal(self, server: Stream, client: Stream, *known: Any) -> Deal:
        a = server.ring(self.input_shape) + client.ring(self.input_shape)
        b = server.ring(self.operation.weight_shape) + client.ring(self.operation.weight_shape)
        return Deal((multiply(self.operation, a, b) - client.ring(self.product_shape),))

    def of_server(self, stream: Stream, sent: Tensors) -> Tensors:
        return stream.ring(self.input_shape), stream.ring(self.operation.weight_shape), *sent

    def of_client(self, stream: Stream, sent: Tensors) -> Tensors:
        shapes = self.input_shape, self.operation.weight_shape, self.product_shape
        return tuple(stream.ring(shape) for shape in shapes)


@dataclass(frozen=True)
class WeightMask(Correlation):
    """b: a mask of the operation's weights, for the server. Once for a model."""

    operation: Conv | Linear

    def deal(self, server: Stream, client: Stream, *known: Any) -> Deal:
        return Deal(known=server.ring(self.operation.weight_shape))

    def of_server(self, stream: Stream, sent: Tensors) -> Tensors:
        return (stream.ring(self.operation.weight_shape),)

    def of_client(self, stream: Stream, sent: Tensors) -> Tensors:
        return ()


@dataclass(frozen=True)
class MaskedProduct(_Product):
    """The client's a, and shares c_0 + c_1 of the product of a and the weights' mask b.

    The server gets (c_0,), the client (a, c_1). a_is_known: a is a mask that the dealer has dealt already, and the client gets
    (c_1,) only.
    """

    a_is_known: bool = False

    def deal(self, server: Stream, client: Stream, *known: Tensor) -> Deal:
        """known: b, and a where it is known."""
        b, *dealt = known
        a = dealt[0] if self.a_is_known else client.ring(self.input_shape)
        return Deal((multiply(self.operation, a, b) - client.ring(self.product_shape),))

    def of_server(self, stream: Stream, sent: Tensors) -> Tensors:
        return sent

    def of_client(self, stream: Stream, sent: Tensors) -> Tensors:
        a = () if self.a_is_known else (stream.ring(self.input_shape),)
        return *a, stream.ring(self.product_shape)
