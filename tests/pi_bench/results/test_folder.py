"""Cards as a folder's files: a name for each, whatever is alike."""

from pi_bench.results.folder import file_names


def test_a_mode_is_part_of_the_name(make_card):
    cards = [make_card(mode="normal"), make_card(mode="adversarial"), make_card()]
    assert file_names(cards) == [
        "student-normal-crypten-lan.json",
        "student-adversarial-crypten-lan.json",
        "student-crypten-lan.json",
    ]


def test_a_file_that_is_called_like_a_mode_of_another(make_card):
    """Then the digests tell them apart."""
    one, other = make_card(mode="normal"), make_card(name="student-normal.onnx")
    other["model"]["sha256"] = "cd" * 32
    assert file_names([one, other]) == [
        "student-normal-abababab-crypten-lan.json",
        "student-normal-cdcdcdcd-crypten-lan.json",
    ]
