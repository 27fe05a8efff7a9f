from musicml.cli import output


def test_confused_classes_keep_their_names_if_another_has_no_examples(capsys):
    rows = [{"class": name, "support": n, "said": n} for name, n in (("absent", 0), ("rock", 2), ("pop", 2))]
    output.print_confusion({"per_class": rows, "confusion": [[0, 0, 0], [0, 0, 2], [0, 1, 1]]})
    assert capsys.readouterr().out == "most frequent confusions: rock predicted as pop (2), pop predicted as rock (1)\n"
