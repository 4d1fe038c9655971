"""The vision tower's runner: sizes to programs, one run a temporal patch, embeddings kept by image."""

import json
import os
import signal
import threading
from types import SimpleNamespace

import numpy as np
import pytest

import tyllm.runtime.prompt.vision_tower as module
from tyllm.package import ImageSize, Visual
from tyllm.runtime.prompt.video_input import VideoInput
from tyllm.runtime.prompt.vision_tower import KEPT, VisionTower
from tyllm_base.errors import CheckpointError, GenerationError, ImageError, PackageError

SIZES = ImageSize(56, 56, (4, 4)), ImageSize(80, 120, (6, 8))


class FakeTower:
    """Gives each merged patch's first value; `runs` says which program ran."""

    def __init__(self):
        self.runs, self.closed = [], False

    def __call__(self, program, inputs):
        self.runs.append(program)
        return {"embeddings": inputs["patches"][::4, :3].copy()}

    def close(self):
        self.closed = True


@pytest.fixture
def vision(tmp_path):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"min_pixels": 3136, "max_pixels": 100_000}))
    package = SimpleNamespace(
        folder=tmp_path, files=tmp_path, visual=None, manifest=SimpleNamespace(max_kv_cache_size=256)
    )
    made = VisionTower(package, Visual(1, (0,), SIZES, 2, {}, None), 1)
    made.__dict__["_tower"] = FakeTower()
    return made


def image(seed, height=56, width=56):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_an_image_runs_the_program_of_its_size(vision):
    small, wide = vision.image(image(1)), vision.image(image(2, 84, 112))
    assert (vision.embeddings(small).shape, vision.embeddings(wide).shape) == ((4, 3), (12, 3))
    assert np.array_equal(vision.embeddings(small), small.patches[0, ::4, :3])
    assert vision._tower.runs == ["56x56", "80x120"]


def test_a_video_runs_once_for_each_temporal_patch(vision):
    video = vision.video(VideoInput([image(at) for at in range(5)], fps=4))
    assert (video.grid, video.seconds_per_grid) == ((3, 4, 4), 0.5)
    assert np.array_equal(vision.embeddings(video), video.patches[:, ::4, :3].reshape(12, 3))
    assert len(vision._tower.runs) == 3


def test_the_latest_embeddings_are_kept(vision):
    images = [vision.image(image(at)) for at in range(KEPT + 1)]
    for each in (*images[:KEPT], images[0], images[KEPT], images[0]):
        vision.embeddings(each)
    assert len(vision._tower.runs) == KEPT + 1
    vision.embeddings(images[1])  # the one that was not used for the longest time
    assert len(vision._tower.runs) == KEPT + 2


def test_a_video_longer_than_what_is_kept_leaves_no_room(vision):
    vision.embeddings(vision.image(image(1)))
    long = vision.video(VideoInput([image(at) for at in range(4 * KEPT)]))
    vision.embeddings(long)
    assert list(vision._kept) == [long.digest]


def test_what_was_fitted_is_taken_as_it_is(vision):
    fitted = vision.image(image(1))
    assert vision.image(fitted) is fitted
    assert vision.video(VideoInput(fitted)) is fitted


def test_padding_or_stretching(vision):
    assert "padded" in vision.image(image(1, 60, 200)).message
    assert "resized" in vision.image(image(1, 60, 200), "resize").message


def test_no_image(vision, tmp_path):
    with pytest.raises(ImageError, match=r"There is no image .*none\.png"):
        vision.image(tmp_path / "none.png")


def test_patches_of_another_package(vision):
    other = vision.image(image(1))
    object.__setattr__(other, "grid", (1, 2, 8))
    with pytest.raises(PackageError, match=r"No program takes 2×8 patches, the package has 56x56 \(4×4\), 80x120"):
        vision.embeddings(other)


def test_a_package_without_settings(vision, tmp_path):
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"has no preprocessor_config\.json"):
        vision.image(image(1))


@pytest.mark.parametrize("pin", [False, True])
def test_the_program_is_loaded_for_its_dies_in_their_order(tmp_path, monkeypatch, pin):
    made = []
    monkeypatch.setattr(
        module, "CompiledModule", lambda *given, **options: made.append((given, options)) or FakeTower()
    )
    package = SimpleNamespace(folder=tmp_path, files=tmp_path, visual="its programs")
    tower = VisionTower(package, Visual(2, (3, 1), SIZES, 2, {}, None), 5, pin=pin)
    assert made == []
    assert isinstance(tower._tower, FakeTower)
    assert made == [((tmp_path / "visual", "its programs", 5), {"order": (3, 1), "pin": pin})]


def test_closing_stops_a_tower_that_was_loaded(vision):
    tower = vision._tower
    vision.close()
    assert tower.closed
    del vision.__dict__["_tower"]
    vision.close()


def test_a_video_that_no_cache_holds_is_refused_at_its_first_frame(vision):
    read = []

    class Frames(list):
        def __getitem__(self, index):
            read.append(index)
            return super().__getitem__(index)

    with pytest.raises(ImageError, match=r"becomes 260 tokens with 130 frames, more than the 256 .* fewer frames with"):
        vision.video(VideoInput(Frames(image(at) for at in range(130))))
    assert len(read) == 1


def test_closing_does_not_wait_for_a_whole_video(vision, monkeypatch):
    video, tower, compute = vision.video(VideoInput([image(at) for at in range(8)])), vision._tower, FakeTower.__call__
    (entered, go_on), ends = _events(), []

    def run(tower, program, inputs):
        entered.set()
        go_on.wait(30)
        return compute(tower, program, inputs)

    def work():
        with pytest.raises(GenerationError, match="The session is closed") as error:
            vision.embeddings(video)
        ends.append(error)

    monkeypatch.setattr(FakeTower, "__call__", run)
    threads = [threading.Thread(target=work), threading.Thread(target=vision.close)]
    threads[0].start()
    entered.wait(30)
    threads[1].start()
    threads[1].join(0.05)
    assert not tower.closed  # an image is under way
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert len(ends) == len(tower.runs) == 1 and tower.closed


def test_a_child_forked_while_an_image_is_computed_waits_for_nobody(vision):
    entered, go_on = _events()

    def hold():
        with vision._lock:
            entered.set()
            go_on.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(30)
    child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)
        vision.close()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    go_on.set()
    thread.join(30)


def _events():
    return threading.Event(), threading.Event()
