"""CrypTen's ways: additive shares that both parties compute on while the input is there, and its comparison of them."""
