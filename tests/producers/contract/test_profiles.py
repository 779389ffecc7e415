"""A profile in parts: whole again in whatever order they come, and never another one."""

import hashlib
import json
import random
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from monitor.counts.columns import Predictions
from monitor.counts.profile import Profile, ReferenceRows, build_profile
from monitor.tasks.binary import BINARY, Binary
from producers.contract.profile_blobs import encode_blobs
from producers.contract.profile_index import InvalidProfile, ProfileIndex
from producers.contract.profiles import (
    PART_BYTES,
    ProfileReader,
    content_hash,
    encode_profile,
)
from producers.contract.version_info import VersionInfo
from producers.registration.profile_file import read_profile, write_profile

HOUR = 3_600_000


def profile(
    version: str = "1", *, seed: int = 0, labelled: bool = True, model_file: bytes | None = None
) -> Profile:
    rng = np.random.default_rng(seed)
    n = 500
    rows = Predictions(
        [str(i) for i in range(n)],
        np.arange(n) * HOUR // 10,
        rng.random(n),
        rng.integers(0, 2, n),
        {"age": rng.normal(40, 10, n), "region": rng.choice(["n", "s", "é"], n).tolist()},
    )
    label = rng.integers(0, 2, n) if labelled else None
    known = ReferenceRows(rows, label, rows.time_ms + HOUR if labelled else None)
    return build_profile(
        "m", version, known, pane_ms=HOUR, threshold=0.5, model_file=model_file, task=BINARY
    )


def same(a: Profile, b: Profile) -> bool:
    return encode_profile(a) == encode_profile(b)


def read(messages: list[tuple[bytes, bytes]]) -> list[Profile]:
    reader = ProfileReader()
    return [found for key, value in messages if (found := reader.add(key, value)) is not None]


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("model_file", [None, b"", b"\x00skops" * 200_000])
def test_decoding_a_profile_is_the_inverse_of_encoding_it(labelled, model_file):
    original = profile(labelled=labelled, model_file=model_file)
    (decoded,) = read(encode_profile(original))
    assert decoded.panes == original.panes
    assert decoded.label_delay_ms == original.label_delay_ms
    assert decoded.model_file == original.model_file
    assert decoded.schema.features["region"].categories == (
        original.schema.features["region"].categories
    )
    assert same(decoded, original)


TWO = encode_profile(profile("1")) + encode_profile(profile("2", seed=1))


def test_hashes_of_rare_categories_are_part_of_a_profile_and_only_of_one_that_has_some():
    def with_categories(number: int) -> Profile:
        n = 3_000
        codes = [f"c{i % number}" for i in range(n)]
        rows = Predictions(
            [str(i) for i in range(n)],
            np.arange(n),
            np.full(n, 0.5),
            np.ones(n, dtype=np.int64),
            {"code": codes},
        )
        return build_profile(
            "m", "1", ReferenceRows(rows), pane_ms=HOUR, threshold=0.5, task=BINARY
        )

    many = with_categories(2_500)
    (found,) = read(encode_profile(many))
    rarer = found.schema.features["code"].rarer
    assert rarer.tolist() == many.schema.features["code"].rarer.tolist()
    assert rarer.size == 1_500
    # So the content hash of a profile of an earlier release stays valid.
    assert b'"rarer"' in encode_blobs(many)["head"]
    assert b'"rarer"' not in encode_blobs(with_categories(1_000))["head"]


@settings(max_examples=25)
@given(st.permutations(TWO))
def test_profile_is_read_from_parts_in_any_order_mixed_with_other_profiles(messages):
    assert {found.version for found in read(messages)} == {"1", "2"}


def test_profile_is_returned_with_its_last_part_and_not_before():
    *others, manifest = encode_profile(profile(model_file=b"x" * PART_BYTES * 2))
    assert manifest[0] == b"m/1/manifest"
    assert read(others) == []
    assert read([*others[1:], manifest]) == []
    assert len(read([*others, manifest])) == 1


def test_no_part_of_a_profile_exceeds_the_message_limit():
    messages = encode_profile(profile(model_file=random.Random(1).randbytes(1_300_000)))
    assert max(len(value) for _, value in messages) <= PART_BYTES < 512 * 1024
    assert {key.split(b"/")[2] for key, _ in messages} >= {b"model-0", b"model-1", b"model-2"}


def test_profile_of_the_same_rows_has_the_same_bytes():
    assert same(profile(), profile())


def changed(**of_age: object) -> Profile:
    """Like ``profile()``, but for what is said of the numeric feature."""
    original = profile()
    age = replace(original.schema.features["age"], **of_age)
    features = {**original.schema.features, "age": age}
    return replace(original, schema=replace(original.schema, features=features))


def test_content_hash_changes_with_any_content():
    sample = profile().schema.features["age"].sample
    others = [
        profile(),
        profile(seed=1),
        profile("2"),
        profile(labelled=False),
        profile(model_file=b"x"),
        profile(model_file=b"y"),
        replace(profile(), panes=profile().panes[1:]),
        replace(profile(), label_delay_ms={}),
        changed(low=-1.0),
        changed(sample=replace(sample, values=sample.values + 1e-9)),
        changed(sample=replace(sample, weights=sample.weights + 1)),
    ]
    assert len({content_hash(other) for other in others}) == len(others)


def test_profile_published_twice_is_returned_once():
    messages = encode_profile(profile())
    assert len(read(messages * 2)) == 1


def test_later_manifest_with_the_same_content_changes_only_the_info():
    index = ProfileIndex[int]()
    for place, message in enumerate(encode_profile(profile(), VersionInfo(owner="risk"))):
        index.add(*message, place)
    first, places = index.complete["m", "1"].manifest, index.complete["m", "1"].places
    assert first.info == VersionInfo(owner="risk")
    later = structs.replace(first, info=VersionInfo(owner="fraud", tags={"tier": "1"}))
    assert index.add(*later.message(), 99) is None
    assert index.complete["m", "1"].manifest == later
    assert index.complete["m", "1"].places == places
    assert later.content == content_hash(profile())


def test_info_changes_after_other_content_was_refused():
    index = ProfileIndex[None]()
    for message in encode_profile(profile()):
        index.add(*message, None)
    *parts, manifest = encode_profile(profile(seed=1))
    for part in parts:
        index.add(*part, None)
    with pytest.raises(InvalidProfile):
        index.add(*manifest, None)
    info = VersionInfo(owner="risk")
    index.add(*encode_profile(profile(), info)[-1], None)
    assert index.complete["m", "1"].manifest.info == info


def test_manifest_without_info_is_one_with_an_empty_info():
    *parts, (key, value) = encode_profile(profile())
    document = json.loads(value)
    del document["info"], document["registered_ms"]
    index = ProfileIndex[None]()
    for message in [*parts, (key, json.dumps(document).encode())]:
        index.add(*message, None)
    assert index.complete["m", "1"].manifest.info == VersionInfo()


def test_manifest_names_the_task_and_a_task_of_a_later_release_is_refused():
    *parts, (key, value) = encode_profile(profile())
    document = json.loads(value)
    assert document.pop("task") == "binary"
    (found,) = read([*parts, (key, json.dumps(document).encode())])
    assert isinstance(found.schema.task, Binary)
    later = json.dumps({**document, "task": "ranking"}).encode()
    with pytest.raises(InvalidProfile, match="the task 'ranking', which this release does not"):
        read([*parts, (key, later)])


def test_profile_with_other_content_under_the_same_version_is_refused():
    reader = ProfileReader()
    for key, value in encode_profile(profile()):
        reader.add(key, value)
    *parts, manifest = encode_profile(profile(seed=1))
    assert [reader.add(*part) for part in parts] == [None] * len(parts)
    with pytest.raises(
        InvalidProfile, match="was published again with other content: the first profile is used"
    ):
        reader.add(*manifest)
    assert reader.add(*encode_profile(profile())[-1]) is None


def test_damaged_part_does_not_complete_a_profile():
    (key, value), *others = encode_profile(profile())
    assert read([(key, value[:-1] + b"!"), *others]) == []


def test_profile_that_does_not_match_its_manifest_is_refused():
    *parts, (key, value) = encode_profile(profile())
    promised = {**json.loads(value), "content": "0" * 64}
    with pytest.raises(InvalidProfile, match="do not match its manifest"):
        read([*parts, (key, json.dumps(promised).encode())])


@pytest.mark.parametrize("value", [b"x", None])
@pytest.mark.parametrize("key", [None, b"", b"m/1", b"a/b/c/d", b"\xff", b"\xff/1/head-0"])
def test_key_that_is_not_of_a_profile_is_refused(key, value):
    with pytest.raises(InvalidProfile, match="is not the key of a profile"):
        ProfileReader().add(key, value)


def test_error_about_a_key_quotes_only_its_beginning():
    with pytest.raises(InvalidProfile) as refusal:
        ProfileReader().add(b"x" * 10_000, b"x")
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize("damaged", ["head-0", "samples-0", "panes-0"])
@pytest.mark.parametrize("blob", [b"", b"x", b"{}", b"ARROW1\x00\x00" * 3])
def test_parts_that_match_their_manifest_but_cannot_be_decoded_are_refused(damaged, blob):
    parts = {key.decode().split("/")[2]: value for key, value in encode_profile(profile())}
    manifest = json.loads(parts.pop("manifest"))
    parts[damaged] = blob
    for part in manifest["parts"]:
        if part["name"] == damaged:
            part["sha256"] = hashlib.sha256(blob).hexdigest()
    messages = [(f"m/1/{name}".encode(), value) for name, value in parts.items()]
    with pytest.raises(InvalidProfile, match="do not form a profile"):
        read([*messages, (b"m/1/manifest", json.dumps(manifest).encode())])


def test_unreadable_manifest_is_refused():
    with pytest.raises(InvalidProfile, match="manifest of model 'm' version '1' cannot be read"):
        ProfileReader().add(b"m/1/manifest", b"{}")


def test_manifest_under_the_key_of_another_version_is_refused():
    manifest = encode_profile(profile("2"))[-1][1]
    with pytest.raises(InvalidProfile, match="of model 'm' version '1' is that of model 'm' v"):
        ProfileReader().add(b"m/1/manifest", manifest)


def test_derived_blobs_do_not_change_a_profile():
    messages = encode_profile(
        profile(), derived={"overview": b"x", "unknown": b"y" * PART_BYTES * 2}
    )
    (found,) = read(messages)
    assert same(found, profile())
    assert json.loads(messages[-1][1])["content"] == content_hash(profile())


def test_deleted_part_does_not_remove_what_was_read():
    first, *others = encode_profile(profile())
    assert len(read([first, (first[0], None), *others])) == 1


def test_profile_whose_manifest_was_deleted_can_be_published_again_with_other_content():
    other = encode_profile(profile(seed=1))
    reader = ProfileReader()
    for message in encode_profile(profile()):
        reader.add(*message)
    reader.add(b"m/1/manifest", None)
    (found,) = [found for message in other if (found := reader.add(*message)) is not None]
    assert same(found, profile(seed=1))


def test_deletion_may_be_read_after_parts_of_the_next_publication():
    """Parts of one profile may be in several partitions, which are read in any order."""
    *parts, manifest = encode_profile(profile(seed=1))
    deletion = (b"m/1/manifest", None)
    assert len(read([*encode_profile(profile()), *parts, deletion, manifest])) == 2


def test_profile_that_was_deleted_and_published_again_is_found_if_all_parts_are_read_first():
    *parts, manifest = encode_profile(profile())
    index = ProfileIndex[int]()
    for place, message in enumerate([*parts, *parts, manifest, (manifest[0], None), manifest]):
        index.add(*message, place)
    assert list(index.complete["m", "1"].places.values()) == [3, 4, 5]


def test_deleted_manifest_does_not_complete_a_profile():
    *parts, manifest = encode_profile(profile())
    assert read([manifest, (manifest[0], None), *parts]) == []


def test_profile_file_contains_the_same_profile(tmp_path):
    write_profile(tmp_path / "a.profile", profile(model_file=b"x"))
    assert same(read_profile(tmp_path / "a.profile"), profile(model_file=b"x"))
    with zipfile.ZipFile(tmp_path / "a.profile") as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}  # the same any day


def test_file_without_a_profile_is_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(InvalidProfile, match="does not contain a"):
        read_profile(tmp_path / "x")
    with pytest.raises(InvalidProfile, match="does not contain a"):
        read_profile(tmp_path / "gone")
