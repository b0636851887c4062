"""The order of cards."""

from pi_bench.results.order import place


def test_cards_stand_by_relus_then_model_then_protocol(make_card):
    cards = [
        make_card(kept=kept, protocol=protocol, name=name)
        for protocol in ("crypten-plain", "unknown", "crypten", "one-trip")
        for name in ("b.onnx", "a.onnx")
        for kept in ((5, 5), (60, 40))
    ]
    found = [(card["relu"]["kept"], card["model"]["path"], card["protocol"]) for card in sorted(cards, key=place)]
    order = ("one-trip", "crypten", "crypten-plain", "unknown")
    assert found == [(kept, name, protocol) for kept in (100, 10) for name in ("a.onnx", "b.onnx") for protocol in order]
