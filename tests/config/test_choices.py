import pytest

from gammvae.config.choices import check_choices
from gammvae.errors import InputError


@pytest.mark.parametrize(
    "word",
    [
        "model=3",
        "model=null",
        "model=true",
        "model=[vae]",
        "model=",
        "model=''",
        "model=range(0,3)",
    ],
)
def test_what_is_no_name_is_refused_with_one_that_is(word):
    with pytest.raises(InputError) as error:
        check_choices(["seed=3", word])
    assert str(error.value).startswith(f"{word} is the name of no option: it must be one, as in ")
    check_choices([str(error.value).rpartition(" ")[2]])


@pytest.mark.parametrize(
    "word",
    ["model=vae,dec", "model='3'", "model=glob(v*)", "optimizer={lr:0.1}", "model.gain=3", "model"],
)
def test_names_and_settings_are_left_to_hydra(word):
    check_choices([word, "+optimizer@train.optimizer=sgd", "-m"])


def test_of_several_values_the_wrong_one_is_named():
    with pytest.raises(InputError, match="^3 in model=vade,3 is the name of no option: "):
        check_choices(["model=vade,3"])
