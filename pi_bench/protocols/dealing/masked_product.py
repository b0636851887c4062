"""A product with weights that the client knows behind a mask, and the mask itself."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pi_bench.model.operations import Conv, Linear
from pi_bench.protocols.dealing.correlation import Correlation, Deal, Shape, Tensors
from pi_bench.protocols.dealing.randomness import Stream
from pi_bench.protocols.shares.products import multiply


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
class MaskedProduct(Correlation):
    """The client's a, and shares c_0 + c_1 of the product of a and the weights' mask b.

    The server gets (c_0,), the client (a, c_1). input_shape is with the batch dimension. a_is_known: a is a mask that the
    dealer has dealt already, and the client gets (c_1,) only.
    """

    operation: Conv | Linear
    input_shape: Shape
    a_is_known: bool = False

    @property
    def server_shapes(self) -> tuple[Shape, ...]:
        return (self._product_shape,)

    @property
    def _product_shape(self) -> Shape:
        return (self.input_shape[0], *self.operation.shape)

    def deal(self, server: Stream, client: Stream, *known: Tensor) -> Deal:
        """known: b, and a where it is known."""
        b, *dealt = known
        a = dealt[0] if self.a_is_known else client.ring(self.input_shape)
        return Deal((multiply(self.operation, a, b) - client.ring(self._product_shape),))

    def of_server(self, stream: Stream, sent: Tensors) -> Tensors:
        return sent

    def of_client(self, stream: Stream, sent: Tensors) -> Tensors:
        a = () if self.a_is_known else (stream.ring(self.input_shape),)
        return *a, stream.ring(self._product_shape)
