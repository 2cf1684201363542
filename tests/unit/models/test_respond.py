"""Oracles: cross entropy by hand, uninterrupted training, generation by hand, planted answers."""

import numpy as np
import pytest
import torch

from empdis_utils.models import respond, responders
from empdis_utils.places import ROOT

TINY = ROOT / "tests" / "fixture" / "checkpoints" / "responder"
N = 12
RNG = np.random.default_rng(1)
SIDE = np.tile([1, -1], N // 2)
SOUND = RNG.normal(size=(N, 6)).astype("float32")
SOUND[:, 0] = 3 * SIDE
PICTURE = RNG.normal(size=(N, 4)).astype("float32")
PROMPTS = ["Ann: so, you stayed home.\nBen:", "Ann: look, she made it again, today.\nBen:"] * 6
RIGHT, WRONG = (
    [["That sounds hard, I am with you.", "Okay, let us go on with it."][int(s != k)] for s in SIDE]
    for k in (1, -1)
)


@pytest.fixture(scope="module")
def model():
    return responders.load("tiny", TINY, sound_width=6, picture_width=4)


@pytest.fixture(scope="module")
def trained(model):
    how = dict(epochs=12, batch_size=4, learning_rate=5e-3)
    return model, respond.fit(model, PROMPTS, RIGHT, SOUND, PICTURE, **how)


def values(model):
    return {name: p.detach().clone() for name, p in model.trained().items()}


def test_a_score_is_the_cross_entropy_of_the_answer_by_hand(model):
    told = respond.score(model, PROMPTS[:3], RIGHT[:3])
    for i in range(3):
        prompt, answer = model.prompt_ids(PROMPTS)[i], model.answer_ids(RIGHT)[i]
        embed = model.lm.get_input_embeddings()(torch.tensor([prompt + answer]))
        with torch.no_grad():
            logits = model.lm(inputs_embeds=torch.cat([torch.zeros(1, 1, 64), embed], 1)).logits[0]
        scores = logits.log_softmax(dim=1)
        by_hand = -sum(scores[len(prompt) + k, token].item() for k, token in enumerate(answer))
        assert told["nll"][i] == pytest.approx(by_hand, rel=1e-4)
        assert told["n_tokens"][i] == len(answer)


def test_choices_are_log_likelihoods_and_batches_change_nothing(model):
    found = respond.choose(model, PROMPTS, [RIGHT, WRONG], SOUND, PICTURE, batch_size=5)
    for k, lines in enumerate((RIGHT, WRONG)):
        told = respond.score(model, PROMPTS, lines, SOUND, PICTURE)["nll"]
        np.testing.assert_allclose(found[:, k], -told, rtol=1e-4)


def test_it_learns_what_only_the_prefix_tells(trained):
    model, history = trained
    found = respond.choose(model, PROMPTS, [RIGHT, WRONG], SOUND, PICTURE)
    assert (found[:, 0] > found[:, 1]).all()
    blind = respond.choose(model, PROMPTS, [RIGHT, WRONG])  # each prompt has both right lines
    assert (np.abs(blind[::2] - blind[0]) < 1e-4).all()
    assert history["loss"].iloc[-1] < history["loss"].iloc[0] / 3
    assert history["epoch"].tolist() == list(range(1, 13)) and (history["n"] == N).all()


def test_greedy_is_the_likeliest_token_each_time(trained):
    model, _ = trained
    said = respond.answer(model, PROMPTS, SOUND, PICTURE, max_new_tokens=20)
    for i in (0, 1):
        ids, out = model.prompt_ids(PROMPTS)[i], []
        prefix = model.prefix(SOUND[i : i + 1], PICTURE[i : i + 1])
        while not out or (out[-1] != model.tokenizer.eos_token_id and len(out) < 20):
            embed = model.lm.get_input_embeddings()(torch.tensor([ids + out]))
            with torch.no_grad():
                logits = model.lm(inputs_embeds=torch.cat([prefix, embed], dim=1)).logits
            out.append(int(logits[0, -1].argmax()))
        assert said["text"][i] == model.tokenizer.decode(out, skip_special_tokens=True).strip()
    assert said["text"][0] != said["text"][1]


def test_sampling_follows_its_seed_and_batches_are_padded_alike(trained):
    model, _ = trained
    draws = [
        respond.answer(model, PROMPTS, sample=True, temperature=3.0, seed=s)["text"].tolist()
        for s in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]
    given = (model, PROMPTS, SOUND, PICTURE)
    alone, together = (respond.answer(*given, batch_size=b)["text"].tolist() for b in (1, 12))
    assert alone == together


@pytest.mark.parametrize("with_prefix", [True, False])
def test_resumed_training_is_the_uninterrupted_one(model, tmp_path, with_prefix):
    seen = (SOUND, PICTURE) if with_prefix else (None, None)
    how = dict(batch_size=5, drop_prefix=0.3, seed=7)
    whole = respond.fit(model, PROMPTS, RIGHT, *seen, epochs=3, **how)
    wanted = values(model)
    respond.fit(model, PROMPTS, RIGHT, *seen, epochs=2, directory=tmp_path, **how)
    torch.manual_seed(99)
    resumed = respond.fit(model, PROMPTS, RIGHT, *seen, epochs=3, directory=tmp_path, **how)
    for name, value in values(model).items():
        torch.testing.assert_close(value, wanted[name], rtol=0, atol=0)
    assert resumed.equals(whole)
    other = respond.fit(model, PROMPTS, WRONG, *seen, epochs=3, directory=tmp_path, **how)
    assert other["loss"][0] != whole["loss"][0]  # another fit is not taken for this one


def test_a_seed_is_a_training_and_leaves_torchs_generator_alone(model):
    before = torch.get_rng_state()
    losses = [
        respond.fit(model, PROMPTS, RIGHT, SOUND, PICTURE, epochs=1, seed=s)["loss"][0]
        for s in (1, 1, 2)
    ]
    assert losses[0] == losses[1] != losses[2]
    assert torch.equal(torch.get_rng_state(), before)


def test_bad_rows_have_a_status_and_do_not_train(model):
    sound, right = SOUND.copy(), list(RIGHT)
    sound[1], right[2] = np.nan, "  "
    prompts = ["", *PROMPTS[1:3], PROMPTS[3] + " so" * 1100, *PROMPTS[4:]]
    told = respond.score(model, prompts, right, sound, PICTURE)
    kinds = ["no_prompt", "no_embedding", "no_answer", "too_long"]
    assert told["status"].tolist() == kinds + ["ok"] * (N - 4)
    assert told["reason"][1] == "there is no embedding of sound"
    assert told["nll"].isna().tolist() == [True] * 4 + [False] * (N - 4)
    assert respond.fit(model, prompts, right, sound, PICTURE, epochs=1)["n"][0] == N - 4
    said = respond.answer(model, prompts, sound, PICTURE, max_new_tokens=2)
    assert said["text"][:2].tolist() == ["", ""] and said["status"][1] == "no_embedding"


def test_what_cannot_train_is_refused(model):
    with pytest.raises(responders.ResponderError, match="No row can train"):
        respond.fit(model, PROMPTS, [""] * N)
    with pytest.raises(responders.ResponderError, match="or of neither"):
        respond.fit(model, PROMPTS, RIGHT, SOUND)
    with pytest.raises(responders.ResponderError, match="use the encoder it was made for"):
        respond.score(model, PROMPTS, RIGHT, PICTURE, PICTURE)


def test_rows_may_be_repeated(model):
    rows = np.array([0, 0, 1])
    assert respond.fit(model, PROMPTS, RIGHT, SOUND, PICTURE, rows=rows, epochs=1)["n"][0] == 3


def test_a_prompt_has_history_and_speaker():
    asked = respond.prompt_of(["Ann: Hi.", "Ben: Oh."], "Ann", respond.PROMPT)
    assert "==== DIALOGUE HISTORY ===\nAnn: Hi.\nBen: Oh.\nAnn:\n\n==== RESPONSE ===" in asked
