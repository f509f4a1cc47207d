import dataclasses

import pytest

from gammvae.config.published import AboutConfig, FileConfig
from gammvae.config.typed import to_config
from gammvae.errors import InputError
from tests.conftest import compose_config

URL, DIGEST = "https://example.org/x.gz", "md5:" + 32 * "0"


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "", "a\0b", ".."])
def test_files_lie_below_the_data_folder(name):
    with pytest.raises(InputError, match="must be relative and without"):
        AboutConfig(files={name: FileConfig(URL, DIGEST)})
    with pytest.raises(InputError, match="must be relative and without"):
        AboutConfig(stand_ins=[name])


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://a/b", "http:///x", "x", "", " http://a"]
)
def test_addresses_are_of_the_web(url):
    with pytest.raises(InputError, match="the address of x is .*: it must begin with http:// or"):
        AboutConfig(files={"x": FileConfig(url, DIGEST)})


@pytest.mark.parametrize(
    "digest",
    [
        "sha256:",
        "sha256:" + 63 * "0",
        "md5:" + 32 * "g",
        "crc32:00",
        "",
        "shake_128:",
        DIGEST + "0",
    ],
)
def test_digests_have_their_full_length(digest):
    with pytest.raises(InputError, match="the digest of x is .* in full length"):
        AboutConfig(files={"x": FileConfig(URL, digest)})


@pytest.mark.parametrize(("given", "lacking"), [("url", "digest"), ("digest", "url")])
def test_a_published_file_has_an_address_and_a_digest(given, lacking):
    stated = {given: {"url": URL, "digest": DIGEST}[given]}
    mine = {"name": "mine", "about": {"files": {"a.npy": stated}}}
    message = f"^dataset mine has no {lacking} for a.npy: every file .* must have a url and a dig"
    with pytest.raises(InputError, match=message):
        to_config(dataclasses.asdict(compose_config()), {"dataset": mine})


def test_a_way_to_unpack_is_known():
    with pytest.raises(InputError, match="unpack=rar of x must be null, gzip, zip or tar"):
        AboutConfig(files={"x": FileConfig(URL, DIGEST, "rar")})


@pytest.mark.parametrize(
    ("size", "expected"),
    [("31 MB", 31_000_000), ("2.7 GB", 2_700_000_000), ("in scikit-learn", None), (None, None)],
)
def test_a_size_tells_how_much_may_be_downloaded(size, expected):
    assert AboutConfig(size=size).download_bytes == expected
