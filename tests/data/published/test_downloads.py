"""Downloads from a server on this machine that can break off, lie, refuse, or send garbage."""

import gzip
import hashlib
import http.server
import io
import random
import re
import signal
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections import Counter

import pytest

import gammvae.data.published.downloads
import gammvae.data.published.transfer
from gammvae.config.published import AboutConfig, FileConfig
from gammvae.data.published.downloads import Store
from gammvae.data.published.transfer import size_of
from gammvae.errors import InputError

CONTENT = random.Random(0).randbytes(300_000)
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves ``server.files``; ``server.behave`` may change what is sent."""

    protocol_version = "HTTP/1.0"

    def do_GET(self):
        server = self.server
        server.requests.append((self.path, self.headers.get("Range")))
        content = server.files.get(self.path.lstrip("/"))
        if server.status:
            return self.send_error(server.status.pop(0))
        if server.redirect:
            self.send_response(302)
            self.send_header("Location", server.redirect)
            return self.end_headers()
        if content is None:
            return self.send_error(404)
        start = 0
        asked = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and server.ranges:
            start = int(asked[1])
            if start >= len(content):
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        length = len(content) - start + server.lie
        if server.tell_length:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        end = start + server.cuts.pop(0) if server.cuts else len(content)
        for position in range(start, min(end, len(content)), 2**12):
            self.wfile.write(content[position : min(position + 2**12, end)])
            threading.Event().wait(server.pause)  # time.sleep is replaced below
        return None

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.files = {"data.bin": CONTENT}
        server.requests, server.status, server.cuts, server.redirect = [], [], [], None
        server.ranges, server.lie, server.pause, server.tell_length = True, 0, 0, True
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(gammvae.data.published.transfer.time, "sleep", lambda _: None)
    monkeypatch.setattr(gammvae.data.published.transfer, "BLOCK", 2**12)


def store(root, server, *, mirror=None, download=True, **source):
    """A dataset of one file, ``folder/data.bin``."""
    source = {"url": f"{server.url}/data.bin", "digest": SHA256, **source}
    about = AboutConfig(files={"folder/data.bin": FileConfig(**source)})
    return Store("mine", str(root), about, mirror, download)


def visible(root):
    return sorted(path.name for path in root.rglob("*") if not path.name.endswith(".lock"))


def test_a_file_is_fetched_once_and_as_a_whole(server, tmp_path):
    here = store(tmp_path, server)
    assert here.missing() == ["folder/data.bin"]
    path = here.require("folder/data.bin")
    assert path.read_bytes() == CONTENT
    assert visible(tmp_path) == ["data.bin", "folder"]
    assert (here.missing(), here.altered()) == ([], {})
    here.require("folder/data.bin")
    assert server.requests == [("/data.bin", None)]


def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path):
    rng = random.Random(1)
    server.cuts = [rng.randrange(2**12, 50_000) for _ in range(10)]
    got = list(server.cuts)
    assert store(tmp_path, server).require("folder/data.bin").read_bytes() == CONTENT
    starts = [int(asked[6:-1]) if asked else 0 for _, asked in server.requests]
    position, expected = 0, []
    for cut in got:
        expected.append(position)
        position += cut
    assert starts[: len(got)] == expected[: len(starts)]
    assert len(server.requests) > 5


def test_a_server_without_ranges_sends_it_all_again(server, tmp_path):
    server.ranges, server.cuts = False, [100_000, 200_000]
    assert store(tmp_path, server).require("folder/data.bin").read_bytes() == CONTENT


def test_a_length_that_is_not_told_does_not_matter(server, tmp_path):
    server.tell_length = False
    assert store(tmp_path, server).require("folder/data.bin").read_bytes() == CONTENT


def test_a_file_that_changed_on_the_server_is_begun_again(server, tmp_path):
    here = store(tmp_path, server)
    partial = here.partial("folder/data.bin")
    partial.parent.mkdir()
    partial.write_bytes(b"an older version" * 100)
    assert here.require("folder/data.bin").read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == ["bytes=1600-", None]


def test_a_partial_file_longer_than_the_whole_is_begun_again(server, tmp_path):
    here = store(tmp_path, server)
    partial = here.partial("folder/data.bin")
    partial.parent.mkdir()
    partial.write_bytes(CONTENT + b"more")
    assert here.require("folder/data.bin").read_bytes() == CONTENT


REFUSALS = {
    "not found": ({"files": {}}, "404 Not Found", 1),
    "forbidden": ({"status": [403]}, "403 Forbidden", 1),
    "always busy": ({"status": [503] * 20}, "503 Service Unavailable", 4),
    "garbage": ({"files": {"data.bin": b"<html>"}}, "has the digest sha256:.* is published", 1),
    "altered": ({"files": {"data.bin": CONTENT[:-1] + b"?"}}, "has the digest sha256:", 1),
    "longer than told": ({"lie": -1000}, "has the digest sha256:", 1),
    "never a byte more": ({"cuts": [1000] + [0] * 10}, "the connection was closed early", 5),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_what_is_not_the_published_file_is_refused_and_not_kept(server, tmp_path, kind):
    behaviour, message, requests = REFUSALS[kind]
    for name, value in behaviour.items():
        setattr(server, name, list(value) if isinstance(value, list) else value)
    with pytest.raises(InputError, match=message) as error:
        store(tmp_path, server).require("folder/data.bin")
    assert "folder/data.bin is missing and the download failed: " in str(error.value)
    assert f"{server.url}/data.bin" in str(error.value)
    assert len(server.requests) == requests
    assert "data.bin" not in visible(tmp_path)


def test_a_length_that_never_comes_is_judged_by_the_digest(server, tmp_path):
    server.lie = 1000
    assert store(tmp_path, server).require("folder/data.bin").read_bytes() == CONTENT


def test_a_passing_refusal_is_tried_again(server, tmp_path):
    server.status = [503, 429]
    assert store(tmp_path, server).require("folder/data.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/data.bin", "http://:9/data.bin"])
def test_an_address_that_cannot_be_reached_is_named(server, tmp_path, url):
    with pytest.raises(InputError, match="the download failed: "):
        store(tmp_path, server, url=url).require("folder/data.bin")


def test_without_permission_nothing_is_asked_for(server, tmp_path):
    with pytest.raises(InputError, match=r"missing and dataset.download=false; it comes from http"):
        store(tmp_path, server, download=False).require("folder/data.bin")
    assert server.requests == []
    assert visible(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "folder").write_text("not a folder")
    with pytest.raises(InputError, match="is missing and it cannot be written: "):
        store(tmp_path, server).require("folder/data.bin")


def test_a_mirror_serves_the_same_files(server, tmp_path):
    server.files = {"data/mine/data.bin": CONTENT}
    here = store(tmp_path, server, mirror=f"{server.url}/data/", url="http://gone.invalid/data.bin")
    assert here.require("folder/data.bin").read_bytes() == CONTENT


def zipped(names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, CONTENT)
    return buffer.getvalue()


def tarred(names):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(CONTENT)
            archive.addfile(member, io.BytesIO(CONTENT))
    return buffer.getvalue()


PACKED = {
    "gzip": gzip.compress(CONTENT),
    "zip": zipped(["other", "folder/data.bin"]),
    "tar": tarred(["folder/other", "folder/data.bin", "../outside"]),
}


@pytest.mark.parametrize("kind", PACKED)
def test_a_packed_file_is_unpacked_and_the_package_removed(server, tmp_path, kind):
    server.files["data.bin"] = PACKED[kind]
    here = store(tmp_path / "root", server, unpack=kind)
    assert here.require("folder/data.bin").read_bytes() == CONTENT
    assert visible(tmp_path) == ["data.bin", "folder", "root"]


@pytest.mark.parametrize("kind", PACKED)
def test_a_package_with_other_content_is_refused(server, tmp_path, kind):
    server.files["data.bin"] = PACKED[kind]
    here = store(tmp_path, server, unpack=kind, digest="sha256:" + 64 * "0")
    with pytest.raises(InputError, match=r"folder/data\.bin has the digest sha256:"):
        here.require("folder/data.bin")
    assert "data.bin" not in visible(tmp_path)


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("content", [b"<html>", b"", None])
def test_a_package_that_cannot_be_unpacked_is_refused(server, tmp_path, kind, content):
    server.files["data.bin"] = PACKED[kind][: len(CONTENT) // 2] if content is None else content
    with pytest.raises(InputError, match=r"the download failed: http://127.0.0.1:\d+/data.bin: "):
        store(tmp_path, server, unpack=kind).require("folder/data.bin")
    assert visible(tmp_path) == ["folder"]


@pytest.mark.parametrize(
    "kind", sorted(PACKED.keys() - {"zip"})
)  # which may have anything in front
def test_a_package_begun_with_other_content_is_begun_again(server, tmp_path, kind):
    server.files["data.bin"] = PACKED[kind]
    here = store(tmp_path, server, unpack=kind)
    here.partial("folder/data.bin").parent.mkdir()
    here.partial("folder/data.bin").write_bytes(b"an older version" * 100)
    assert here.require("folder/data.bin").read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == ["bytes=1600-", None]


def test_a_package_that_unpacks_without_end_is_refused(server, tmp_path, monkeypatch):
    here = store(tmp_path, server, unpack="gzip")
    monkeypatch.setattr(gammvae.data.published.downloads, "MAX_BYTES", 10_000)
    server.files["data.bin"] = PACKED["gzip"]
    with pytest.raises(InputError, match=r"folder/data\.bin is larger than any published file"):
        here.require("folder/data.bin")
    assert visible(tmp_path) == ["folder"]


def test_an_archive_without_the_file_is_refused(server, tmp_path):
    server.files["data.bin"] = zipped(["other"])
    here = store(tmp_path, server, unpack="zip")
    with pytest.raises(InputError, match=r"does not hold folder/data\.bin"):
        here.require("folder/data.bin")


def test_files_of_one_archive_are_downloaded_together(server, tmp_path):
    server.files["data.bin"] = tarred(["folder/a", "folder/b"])
    source = FileConfig(
        f"{server.url}/data.bin",
        SHA256,
        "tar",
    )
    about = AboutConfig(files={"folder/a": source, "folder/b": source})
    here = Store("mine", str(tmp_path), about, None, True)
    here.require("folder/b")
    assert here.missing() == []
    assert len(server.requests) == 1


def test_altered_files_are_told_with_their_digest(server, tmp_path):
    here = store(tmp_path, server)
    here.require("folder/data.bin").write_bytes(b"other")
    expected = "sha256:" + hashlib.sha256(b"other").hexdigest()
    assert here.altered() == {"folder/data.bin": expected}


@pytest.mark.parametrize("tell_length", [True, False])
def test_no_more_is_kept_than_is_published(server, tmp_path, tell_length):
    server.tell_length = tell_length
    source = FileConfig(f"{server.url}/data.bin", SHA256)
    about = AboutConfig(size="200 kB", files={"folder/data.bin": source})
    message = r"data\.bin: it is larger than the 220,000 bytes that it may have"
    with pytest.raises(InputError, match=message):
        Store("mine", str(tmp_path), about, None, True).require("folder/data.bin")
    assert visible(tmp_path) == ["folder"]
    assert len(server.requests) == 1


def test_a_link_in_the_place_of_a_download_is_not_followed(server, tmp_path):
    here = store(tmp_path / "data", server)
    (tmp_path / "mine.txt").write_text("mine")
    partial = here.partial("folder/data.bin")
    partial.parent.mkdir(parents=True)
    partial.symlink_to(tmp_path / "mine.txt")
    with pytest.raises(InputError, match="it cannot be written: Too many levels of symbolic links"):
        here.require("folder/data.bin")
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_only_the_web_is_asked(server, tmp_path):
    with pytest.raises(InputError, match="dataset.mirror is file:///etc: it must begin with http"):
        store(tmp_path, server, mirror="file:///etc")
    (tmp_path / "x").write_bytes(CONTENT)
    server.redirect = f"file://{tmp_path}/x"
    with pytest.raises(InputError, match="the download failed"):
        store(tmp_path / "data", server).require("folder/data.bin")
    server.redirect = "ftp://127.0.0.1/x"
    with pytest.raises(InputError, match="unknown url type: ftp"):
        store(tmp_path / "data", server).require("folder/data.bin")


PROGRAM = """
import sys
from gammvae.config.published import AboutConfig, FileConfig
from gammvae.data.published.downloads import Store
import gammvae.data.published.transfer
gammvae.data.published.transfer.BLOCK = 2**12
root, url, digest = sys.argv[1:]
about = AboutConfig(files={"folder/data.bin": FileConfig(url, digest)})
print("started", flush=True)
Store("mine", root, about, None, True).require("folder/data.bin")
"""


def start(root, server):
    command = [sys.executable, "-c", PROGRAM, str(root), f"{server.url}/data.bin", SHA256]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "started\n"
    return process


def test_a_process_killed_ten_times_ends_with_the_whole_file(server, tmp_path):
    """SIGKILL as soon as something has come, and at random; every start goes on from there."""
    server.pause = 0.005
    rng, sizes = random.Random(2), []
    partial = store(tmp_path, server).partial("folder/data.bin")
    for kill in range(10):
        before, process = size_of(partial), start(tmp_path, server)
        while (kill % 2 or kill > 6) and size_of(partial) == before:
            threading.Event().wait(0.001)
        threading.Event().wait(rng.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        sizes.append(size_of(partial))
    process = start(tmp_path, server)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert (tmp_path / "folder" / "data.bin").read_bytes() == CONTENT
    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 5
    assert visible(tmp_path) == ["data.bin", "folder"]


def test_two_processes_do_not_download_twice(server, tmp_path):
    server.pause = 0.01
    processes = [start(tmp_path, server) for _ in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert (tmp_path / "folder" / "data.bin").read_bytes() == CONTENT
    assert Counter(asked for _, asked in server.requests) == {None: 1}
