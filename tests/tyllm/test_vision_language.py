"""Packages of vision-language models beside Hugging Face's model: images and videos in any place, over turns."""

import numpy as np
import pytest
import torch
from tests.tiny_vision_language import TOKENS, write_tiny_vision_language
from transformers import AutoModelForImageTextToText, DynamicCache

from tyllm.build_util import build_and_compile_vlm
from tyllm.runtime import LLM, SamplingParams, Session
from tyllm.runtime.prompt.video_input import VideoInput
from tyllm.runtime.step.model_runner import ScheduledChunk
from tyllm.runtime.step.prefill import feed

SIZE, OTHER = (56, 56), (84, 112)
IMAGE, VIDEO = TOKENS["image_token_id"], TOKENS["video_token_id"]
START, END = TOKENS["vision_start_token_id"], TOKENS["vision_end_token_id"]
ENOUGH = 0.9999


@pytest.fixture(scope="module", params=["qwen2_vl", "qwen2_5_vl"])
def checkpoint(request, tmp_path_factory):
    return write_tiny_vision_language(tmp_path_factory.mktemp("model") / request.param, request.param)


@pytest.fixture(scope="module")
def model(checkpoint):
    return AutoModelForImageTextToText.from_pretrained(checkpoint, dtype=torch.float32).eval()


@pytest.fixture(scope="module", params=[1, 2], ids=lambda dies: f"{dies}dies")
def session(request, checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    options = {"dev_count": request.param, "activations": "float16", "batch_sizes": (4,)}
    package = build_and_compile_vlm(checkpoint, folder, (SIZE, OTHER), 160, (1, 8), **options)
    with Session(package, threads=2, slots=2) as opened:
        yield opened


def image(seed, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def frames(seed, count):
    return VideoInput([image(seed + at) for at in range(count)], source_fps=0.5)  # 4 seconds from patch to patch


def text(seed, count):
    return [int(token) for token in np.random.default_rng(seed).integers(0, 320, count)]


def expected(model, prompt, fitted, **options):
    """The logits of Hugging Face's model after each token, of the same patches."""
    tokens = torch.tensor([prompt.tokens])
    inputs = {"input_ids": tokens, "mm_token_type_ids": (tokens == IMAGE).int() + 2 * (tokens == VIDEO).int()}
    for name, pixels, wanted in (("image", "pixel_values", False), ("video", "pixel_values_videos", True)):
        seen = [each for each in fitted if (each.seconds_per_grid is not None) == wanted]
        if seen:
            inputs[pixels] = torch.from_numpy(np.concatenate([each.patches.reshape(-1, 1176) for each in seen]))
            inputs[f"{name}_grid_thw"] = torch.tensor([each.grid for each in seen])
    seconds = [each.seconds_per_grid for each in fitted if each.seconds_per_grid is not None]
    if seconds and model.config.model_type == "qwen2_5_vl":
        inputs["second_per_grid_ts"] = torch.tensor(seconds)
    model.model.rope_deltas = None
    with torch.no_grad():
        return model(**inputs, **options).logits[0].numpy()


def cosine(left, right):
    left, right = np.asarray(left, np.float64), np.asarray(right, np.float64)
    return left @ right / np.linalg.norm(left) / np.linalg.norm(right)


def seen(session, tokens, images=(), videos=()):
    """The prompt, and its images and videos as they were fitted."""
    images = [session.vision_tower.image(image) for image in images]
    videos = [session.vision_tower.video(video) for video in videos]
    return session.prompt_builder.of(tokens, images, [VideoInput(video) for video in videos]), [*images, *videos]


LAYOUTS = {
    "one image at the start": ([START, IMAGE, END, *text(1, 5)], [image(1)], []),
    "an image without words": ([IMAGE], [image(1)], []),
    "two sizes": ([*text(2, 9), START, IMAGE, END, IMAGE, *text(3, 4)], [image(2), image(3, OTHER)], []),
    "a long video at the end": ([*text(4, 3), START, VIDEO], [], [frames(10, 9)]),
    "all, and adjacent": (
        [IMAGE, VIDEO, START, IMAGE, END, *text(5, 11), VIDEO, END],
        [image(4), image(5, OTHER)],
        [frames(20, 4), frames(30, 3)],
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_logits_are_those_of_transformers(session, model, layout):
    prompt, fitted = seen(session, *LAYOUTS[layout])
    logits = expected(model, prompt, fitted)
    assert cosine(session.logits(prompt), logits[-1]) > ENOUGH
    conversation = session.conversation(1)
    conversation.reset()
    for at in range(len(prompt)):  # in steps of one token
        assert cosine(conversation.append(prompt[at : at + 1]), logits[at]) > ENOUGH


@pytest.mark.parametrize("layout", LAYOUTS)
def test_text_goes_on_as_that_of_transformers(session, model, layout):
    prompt, fitted = seen(session, *LAYOUTS[layout])
    cache, conversation = DynamicCache(), session.conversation()
    session.logits(prompt)
    expected(model, prompt, fitted, past_key_values=cache)
    for token in text(7, 5):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([[token]]), past_key_values=cache).logits[0, 0].numpy()
        assert cosine(conversation.append([token]), logits) > ENOUGH


def test_a_batch_has_sequences_with_images_and_without(session, model):
    prompts, logits = [], []
    for layout in ("two sizes", "a long video at the end"):
        prompt, fitted = seen(session, *LAYOUTS[layout])
        prompts.append(prompt)
        logits.append(expected(model, prompt, fitted))
    leases = []
    for slot, prompt in enumerate(prompts):
        leases.append(session.conversation(slot).slot.take_over(0))
        feed(session._runner, leases[-1], prompt[:-2])
        session.conversation(slot).slot.positions.assign(len(prompt) - 2, prompt[-2:])
    chunks = [ScheduledChunk(lease, prompt[-2:], "all") for lease, prompt in zip(leases, prompts, strict=True)]
    for found, wanted in zip(session._runner.step(chunks), logits, strict=True):
        assert min(cosine(found[at], wanted[at - 2]) for at in (0, 1)) > ENOUGH


def is_likely(result, logits):
    """Whether a generation's only token has the probability that these logits give it, which is about the greatest."""
    logprobs = logits - np.logaddexp.reduce(logits)
    (found,) = result.logprobs
    return abs(found.logprob - logprobs[found.token_id]) < 0.02 and found.logprob > logprobs.max() - 0.02


def test_a_second_turn_feeds_only_what_is_new_and_is_as_if_all_were_fed(session, model):
    tokens, images = [*text(6, 4), START, IMAGE, END, *text(7, 3)], [image(6)]
    first = session.generate(tokens, images=images, max_new_tokens=5, ignore_eos=True)
    answer = first.token_ids[:-1]
    turn, images = [*tokens, *answer, *text(8, 3), START, IMAGE, END, *text(9, 2)], [*images, image(7, OTHER)]
    prompt, fitted = seen(session, turn, images)
    conversation = session.conversation()
    kept = conversation.shared_length(prompt)
    assert kept == first.timings.prompt_tokens + len(answer)
    logits = expected(model, prompt, fitted)
    assert cosine(conversation.append(prompt[kept:]), logits[-1]) > ENOUGH
    again = session.generate(turn, images=images, max_new_tokens=1, reuse=True, logprobs=0)
    assert again.timings.cached_tokens == len(prompt) - 1
    assert is_likely(again, logits[-1])


def test_after_a_long_video_answers_are_fed_again_where_they_would_stand_elsewhere(session, model):
    tokens, videos = [VIDEO, *text(1, 2)], [frames(40, 9)]
    first = session.generate(tokens, videos=videos, max_new_tokens=4, ignore_eos=True)
    prompt, fitted = seen(session, [*tokens, *first.token_ids, *text(2, 3)], videos=videos)
    conversation = session.conversation()
    kept = conversation.shared_length(prompt)
    assert kept >= first.timings.prompt_tokens
    conversation.rewind(kept)
    assert cosine(conversation.append(prompt[kept:]), expected(model, prompt, fitted)[-1]) > ENOUGH


def test_another_image_of_the_same_size_is_not_taken_for_the_one_in_the_cache(session, model):
    tokens = [*text(6, 4), START, IMAGE, END, *text(7, 3)]
    session.generate(tokens, images=[image(6)], max_new_tokens=1)
    prompt, fitted = seen(session, tokens, [image(8)])
    result = session.generate(prompt, max_new_tokens=1, reuse=True, logprobs=0)
    assert result.timings.cached_tokens == 5
    assert result.timings.prompt_tokens == len(prompt) - 5
    assert is_likely(result, expected(model, prompt, fitted)[-1])


def test_a_rewound_image_goes_on_in_its_middle(session, model):
    prompt, fitted = seen(session, *LAYOUTS["two sizes"])
    conversation = session.conversation()
    conversation.reset()
    conversation.append(prompt)
    for length in (11, 15, 18):  # behind the first's first row, between the images, within the second
        conversation.rewind(length)
        assert conversation.shared_length(prompt) == length
        assert cosine(conversation.append(prompt[length:]), expected(model, prompt, fitted)[-1]) > ENOUGH


def test_a_saved_conversation_with_images_goes_on_in_another_slot(session, model):
    prompt, fitted = seen(session, *LAYOUTS["all, and adjacent"])
    session.conversation().reset()
    session.conversation().append(prompt[:-1])
    session.conversation(1).restore(session.conversation().save())
    assert session.conversation(1).tokens == prompt.tokens[:-1]
    assert session.conversation(1).shared_length(prompt) == len(prompt) - 1
    assert cosine(session.conversation(1).append(prompt[-1:]), expected(model, prompt, fitted)[-1]) > ENOUGH


def test_text_alone_before_and_after_images_and_in_embeddings(session, model):
    for _ in range(2):
        prompt, _ = seen(session, text(3, 13))
        found, wanted = session.logits(prompt), expected(model, prompt, [])[-1]
        assert cosine(found, wanted) > ENOUGH
        embeddings = session._runner._embedding_table.look_up(prompt.tokens)
        assert np.array_equal(session.logits(embeddings), found)
        session.logits(seen(session, *LAYOUTS["two sizes"])[0])


def test_an_image_is_computed_once(session, monkeypatch):
    runs, run = [], session.vision_tower._compute
    monkeypatch.setattr(session.vision_tower, "_compute", lambda fitted: runs.append(fitted.digest) or run(fitted))
    for seed in (50, 51, 50):
        session.generate([IMAGE, 7], images=[image(seed)], max_new_tokens=1)
    assert len(runs) == 2
    session.generate([IMAGE, 7], images=[image(50)], max_new_tokens=1, reuse=True)
    assert len(runs) == 2


def mixed_requests(count):
    """Prompts with no, one or two images or a video, which come again, and how they are sampled."""
    rng = np.random.default_rng(5)
    media = [([], []), ([image(6)], []), ([image(7)], []), ([image(6), image(8, OTHER)], []), ([], [frames(40, 4)])]
    for number in range(count):
        images, videos = media[rng.integers(len(media))]
        seen_tokens = [token for _ in images for token in (START, IMAGE, END)] + [VIDEO] * len(videos)
        before, after = int(rng.integers(1, 9)), int(rng.integers(1, 30))
        tokens = [*text(1, before), *seen_tokens, *text(int(rng.integers(3)), after)]
        options = {"max_new_tokens": int(rng.integers(1, 20)), "ignore_eos": True}
        if number % 2:
            options |= {"temperature": 1.0, "top_p": 0.9, "seed": number}
        yield tokens, images, videos, options


def goes_on_as_likely(token_ids, alone):
    """Whether a text leaves another one at a token that is as likely as the other's: sums in another order decide."""
    at = next(n for n, (one, other) in enumerate(zip(token_ids, alone.token_ids, strict=True)) if one != other)
    likely = dict(alone.logprobs[at].top)
    return abs(likely[token_ids[at]] - alone.logprobs[at].logprob) < 1e-4


def test_many_at_once_are_each_given_what_they_are_given_alone(session):
    asked = list(mixed_requests(64))
    alone = [
        session.generate(tokens, images=images, videos=videos, logprobs=3, **options)
        for tokens, images, videos, options in asked
    ]
    prompts = [{"prompt_token_ids": tokens, "images": images, "videos": videos} for tokens, images, videos, _ in asked]
    with LLM(session.package.folder, threads=2, max_num_seqs=8) as llm:
        outputs = llm.generate(prompts, [SamplingParams(**options) for *_, options in asked], progress=False)
    pairs = zip(outputs, alone, strict=True)
    other = [both for both in pairs if both[0].outputs[0].token_ids != both[1].token_ids]
    assert all(goes_on_as_likely(output.outputs[0].token_ids, one) for output, one in other) and len(other) < 3
    assert sum(output.cached_tokens for output in outputs) > 500
