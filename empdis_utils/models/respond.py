"""Train a language model to answer after one token of sound and picture; score and answer.

Only what a model says is measured here, and how likely it finds a given line. Whether an answer is
a good one, no number of this module says.
"""

import hashlib
import json

import numpy as np
import pandas as pd
import torch

from empdis_utils.data.disk_cache import DiskCache
from empdis_utils.data.hashes import code_of
from empdis_utils.models.responders import IGNORED, RESPONDERS, PrefixLM, ResponderError

__all__ = ["RESPONDERS", "answer", "choose", "fit", "prompt_of", "score", "statuses"]

#: How the paper asks (listing 1), without its example: fill in history and speaker.
PROMPT = """\
### INSTRUCTIONS ###
Continue the conversation by generating **only the next line** spoken by the indicated character.
Your response must be empathetic, showing understanding or emotional attunement to the preceding
dialogue.

==== DIALOGUE HISTORY ===
{history}
{speaker}:

==== RESPONSE ==="""
SHORT = "{history}\n{speaker}:"


def prompt_of(history, speaker, template=SHORT):
    """One prompt from the lines so far and who speaks next.

    Examples
    --------
    >>> prompt_of(["Ann: Hello."], "Ben")
    'Ann: Hello.\\nBen:'
    """
    return template.format(history="\n".join(history), speaker=speaker)


def statuses(model, prompts, answers, sound=None, picture=None, ids=None):
    """What can be done with each row: DataFrame status ("ok" or else), reason; one row each.

    `prompts`, `answers`: str. `sound`, `picture`: float [n, d], NaN where a clip has no embedding;
    None: a prefix of zeros needs none. `ids`: token ids of prompts and of answers, if at hand.
    Kinds: no_prompt, no_answer, no_embedding, too_long.
    """
    longest = getattr(model.lm.config, "max_position_embeddings", None) or np.inf
    ids = ids or (model.prompt_ids(prompts), model.answer_ids(answers))
    sizes = [1 + len(p) + len(a) for p, a in zip(*ids, strict=True)]
    rows = []
    for i, (prompt, answer, size) in enumerate(zip(prompts, answers, sizes, strict=True)):
        lost = [
            name
            for name, values in (("sound", sound), ("picture", picture))
            if values is not None and not np.isfinite(values[i]).all()
        ]
        if not prompt.strip():
            rows.append(("no_prompt", "there is no line to answer"))
        elif not answer.strip():
            rows.append(("no_answer", "the answer is empty"))
        elif lost:
            rows.append(("no_embedding", f"there is no embedding of {' and '.join(lost)}"))
        elif size > longest:
            rows.append(("too_long", f"{size} tokens, and the model reads {longest}"))
        else:
            rows.append(("ok", ""))
    return pd.DataFrame(rows, columns=["status", "reason"])


class _Rows:
    """Token ids and prefixes of rows, ready for batches."""

    def __init__(self, model, prompts, answers, sound, picture):
        if (sound is None) != (picture is None):
            raise ResponderError("Give embeddings of sound and picture, or of neither.")
        self.model, self.sound, self.picture = model, sound, picture
        self.prompts, self.answers = model.prompt_ids(prompts), model.answer_ids(answers)
        ids = (self.prompts, self.answers)
        self.status = statuses(model, prompts, answers, sound, picture, ids)
        self.ok = np.flatnonzero(self.status["status"] == "ok")

    def prefix(self, rows):
        if self.sound is None:
            return self.model.no_prefix(len(rows))
        return self.model.prefix(self.sound[rows], self.picture[rows])

    def given(self, rows):
        """What `PrefixLM.forward` takes."""
        ids = ([own[i] for i in rows] for own in (self.prompts, self.answers))
        return (*ids, self.prefix(rows))


def fit(
    model, prompts, answers, sound=None, picture=None, *, rows=None, epochs=3, batch_size=8,
    learning_rate=1e-3, weight_decay=0.01, drop_prefix=0.0, seed=42, directory=None,
):  # fmt: skip
    """Train projector and adapter; the loss counts the answers and their end only.

    Parameters
    ----------
    model : PrefixLM
        It is changed. Projector and adapter are drawn anew from `seed`.
    prompts, answers : sequence of str [n]
    sound, picture : float array [n, d], optional
        None: a prefix of zeros.
    rows : array of int, optional
        Rows that train, as often as they stand there. Default: all, once. Rows whose status is not
        "ok" do not train.
    epochs, batch_size, learning_rate, weight_decay
        Of AdamW.
    drop_prefix : float
        Share of the rows whose prefix is zeroed in an update, so that words are not neglected.
    seed : int
        Of the start, the order and dropout.
    directory : path, optional
        Where the state after each epoch is kept; a killed fit goes on from there.

    Returns
    -------
    DataFrame
        epoch, loss (nats per token, in training), n (rows).

    Raises
    ------
    ResponderError
        No row can train, or embeddings of another width.
    """
    data = _Rows(model, prompts, answers, sound, picture)
    rows = data.ok if rows is None else np.asarray(rows)[np.isin(rows, data.ok)]
    if not len(rows):
        raise ResponderError("No row can train: see statuses for the reason of each.")
    model.draw(seed)
    if sound is not None:
        model.standardise(sound[rows], picture[rows])
    trained = model.trained()
    optimizer = torch.optim.AdamW(trained.values(), lr=learning_rate, weight_decay=weight_decay)
    settings = [batch_size, learning_rate, weight_decay, drop_prefix, seed, rows.tolist()]
    kept = _Kept(directory, model, optimizer, data, settings) if directory else None
    history = kept.restore(epochs) if kept else []
    model.train()
    devices = [model.device] if model.device.type == "cuda" else []
    for epoch in range(len(history), epochs):
        with torch.random.fork_rng(devices=devices):  # each epoch draws from its own seed
            torch.manual_seed(seed * 1_000_003 + epoch)
            loss = _epoch(model, trained.values(), data, rows, batch_size, drop_prefix, optimizer)
        history.append({"epoch": epoch + 1, "loss": loss, "n": len(rows)})
        if kept:
            kept.save(history)
    model.eval()
    return pd.DataFrame(history, columns=["epoch", "loss", "n"])


def _epoch(model, trained, data, rows, batch_size, drop_prefix, optimizer):
    losses = []
    for part in torch.tensor(rows)[torch.randperm(len(rows))].split(batch_size):
        *ids, prefix = data.given(part.numpy())
        kept = torch.rand(len(part), 1, 1) >= drop_prefix
        loss = model(*ids, prefix * kept.to(prefix.device)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item() * len(part))
    return sum(losses) / len(rows)


class _Kept:
    """The state of a fit on disk, found by all that the fit depends on."""

    def __init__(self, directory, model, optimizer, data, settings):
        self.disk, self.model, self.optimizer = DiskCache(directory), model, optimizer
        told = [model.about, settings, data.prompts, data.answers, code_of(PrefixLM, fit)]
        digest = hashlib.sha256(json.dumps(told, default=str).encode())
        for values in (data.sound, data.picture):
            digest.update(b"" if values is None else np.ascontiguousarray(values).tobytes())
        self.key = digest.hexdigest()

    def save(self, history):
        tensors = {}
        for name, parameter in self.model.trained().items():
            tensors[f"value {name}"] = parameter.detach()
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"{key} {name}"] = value
        self.disk.write("responders", self.key, tensors, {"history": history})

    @torch.no_grad()
    def restore(self, epochs):
        """Put back what was kept of no more than so many epochs; returns the history so far."""
        facts = self.disk.facts("responders", self.key)
        if facts is None or len(facts["history"]) > epochs:
            return []
        tensors, facts = self.disk.read("responders", self.key)
        state = {}
        for i, (name, parameter) in enumerate(self.model.trained().items()):
            parameter.copy_(tensors[f"value {name}"])
            keys = ("step", "exp_avg", "exp_avg_sq")
            if f"step {name}" in tensors:  # the projector's have none under a prefix of zeros
                state[i] = {key: tensors[f"{key} {name}"] for key in keys}
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        return facts["history"]


@torch.inference_mode()
def score(model, prompts, answers, sound=None, picture=None, batch_size=32):
    """How surprised a model is by each answer: DataFrame nll (nats), n_tokens, status, reason.

    The end token counts. Rows whose status is not "ok" have NaN and no tokens.
    """
    data = _Rows(model, prompts, answers, sound, picture)
    nll, counts = np.full(len(data.status), np.nan), np.zeros(len(data.status), int)
    for start in range(0, len(data.ok), batch_size):
        rows = data.ok[start : start + batch_size]
        batch = model.batch(*data.given(rows))
        labels = batch.pop("labels")[:, 1:]
        logits = model.lm(**batch, use_cache=False).logits[:, :-1].float()
        losses = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none"
        )
        nll[rows], counts[rows] = losses.sum(dim=1).cpu(), (labels != IGNORED).sum(dim=1).cpu()
    return data.status.assign(nll=nll, n_tokens=counts)[["nll", "n_tokens", "status", "reason"]]


def choose(model, prompts, candidates, sound=None, picture=None, batch_size=32):
    """Log-likelihood of each candidate line: float [n, k], nats; NaN where a row has a status.

    `candidates`: k sequences of str [n]: the first line of each row, the second, and so on.
    """
    given = (sound, picture, batch_size)
    return -np.column_stack([score(model, prompts, lines, *given)["nll"] for lines in candidates])


@torch.inference_mode()
def answer(
    model, prompts, sound=None, picture=None, *, sample=False, temperature=1.0, top_p=1.0,
    max_new_tokens=64, seed=42, batch_size=32,
):  # fmt: skip
    """What the model says: DataFrame text, status, reason.

    Parameters
    ----------
    model : PrefixLM
    prompts, sound, picture
        As for `fit`.
    sample : bool
        False: the likeliest token each time (greedy). True: drawn, with `temperature` and `top_p`.
    max_new_tokens : int
    seed : int
        Of the draw.
    batch_size : int
        Rows that are decoded together; it changes what a seed draws.
    """
    data = _Rows(model, prompts, ["x"] * len(prompts), sound, picture)
    embed, tokenizer = model.lm.get_input_embeddings(), model.tokenizer
    how = dict(do_sample=sample, max_new_tokens=max_new_tokens)
    how |= dict(temperature=temperature, top_p=top_p, top_k=0) if sample else {}
    how |= dict(pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id)
    texts, pad = np.full(len(data.status), "", object), torch.nn.utils.rnn.pad_sequence
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        for start in range(0, len(data.ok), batch_size):
            rows = data.ok[start : start + batch_size]
            seen = [embed(torch.tensor(data.prompts[i], device=model.device)) for i in rows]
            seen = [
                torch.cat([p.to(e.dtype), e]) for p, e in zip(data.prefix(rows), seen, strict=True)
            ]
            mask = [torch.ones(len(e), dtype=torch.long, device=model.device) for e in seen]
            made = model.lm.generate(
                inputs_embeds=pad(seen, batch_first=True, padding_side="left"),
                attention_mask=pad(mask, batch_first=True, padding_side="left"),
                **how,
            )
            texts[rows] = [
                t.strip() for t in tokenizer.batch_decode(made, skip_special_tokens=True)
            ]
    return data.status.assign(text=texts)[["text", "status", "reason"]]
