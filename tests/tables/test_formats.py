from gammvae.tables.formats import listed


def test_names_with_commas_are_told_apart_in_a_list():
    assert listed(["a b", "c,d", "e"]) == "a b, 'c,d', e"
