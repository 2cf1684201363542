"""Networks that score answers: tokens' vectors, emotions, and likelihoods, from local checkpoints.

Any checkpoint of its kind does, by hub id or folder. None is part of the book: without one a
chapter says which it needs (`needs`).
"""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import transformers  # its classes are looked up where they are used: they are slow to import

from empdis_utils.models.encoders import quiet

__all__ = ["KINDS", "emotions", "log_likelihoods", "needs", "token_vectors"]

KINDS = {
    "encoder": "an encoder of text (the paper: roberta-large)",
    "emotion_model": "a classifier of emotions (bhadresh-savani/distilbert-base-uncased-emotion)",
    "language_model": "a causal language model (each system's own)",
}


def needs(name):
    """What is said in place of a number that has no checkpoint.

    Examples
    --------
    >>> needs("encoder")
    'needs an encoder of text (the paper: roberta-large): give a hub id or folder as encoder'
    """
    return f"needs {KINDS[name]}: give a hub id or folder as {name}"


def _load(kind, checkpoint):
    """Tokenizer and model, in evaluation mode. Raises ValueError: one sentence of what is wrong."""
    try:
        if Path(checkpoint).is_absolute() and not Path(checkpoint).is_dir():
            raise FileNotFoundError("there is no such folder")
        with quiet():
            one = getattr(transformers, kind)
            model, info = one.from_pretrained(checkpoint, output_loading_info=True)
            tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    except (OSError, ValueError) as error:
        raise ValueError(f"{checkpoint} cannot be loaded as {kind}: {error}") from None
    missing = [name for name in info["missing_keys"] if "pooler" not in name]
    if missing:
        raise ValueError(
            f"{checkpoint} is no {kind.removeprefix('Auto')}: it lacks {len(missing)} "
            f"weights, {missing[:2]} among them"
        )
    if tokenizer.pad_token is None:  # a causal model often has none; what is padded is masked
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token is None:
        raise ValueError(f"{checkpoint}: its tokenizer has neither a pad nor an end token")
    return tokenizer, model.eval()


def _batches(tokenizer, model, texts, size=32):
    most = getattr(model.config, "max_position_embeddings", 512) - 2
    for start in range(0, len(texts), size):
        part = list(texts[start : start + size])
        how = dict(return_tensors="pt", padding=True, truncation=True, max_length=most)
        yield tokenizer(part, return_special_tokens_mask=True, **how)


def token_vectors(checkpoint, texts, layer=-1):
    """Hidden vectors of each text's tokens, for `measures.responses.bertscore`.

    `layer`: of the hidden states (-1: the last; the published BERTScore takes layer 17 of
    roberta-large). Returns two lists: float32 [tokens, d], start and end included, and bool
    [tokens], which of them are of the text.
    """
    tokenizer, model = _load("AutoModel", checkpoint)
    found, words = [], []
    for batch in _batches(tokenizer, model, texts):
        special = batch.pop("special_tokens_mask").bool()
        with torch.inference_mode():
            hidden = model(**batch, output_hidden_states=True).hidden_states[layer]
        there = batch["attention_mask"].bool()
        found += [h[t].float().numpy() for h, t in zip(hidden, there, strict=True)]
        words += [(~s[t]).numpy() for s, t in zip(special, there, strict=True)]
    return found, words


def emotions(checkpoint, texts):
    """Probability of each emotion: DataFrame [n, k], columns named as the checkpoint names them."""
    tokenizer, model = _load("AutoModelForSequenceClassification", checkpoint)
    found = []
    for batch in _batches(tokenizer, model, texts):
        batch.pop("special_tokens_mask")
        with torch.inference_mode():
            found.append(model(**batch).logits.softmax(dim=1).float().numpy())
    names = [model.config.id2label[k] for k in range(model.config.num_labels)]
    return pd.DataFrame(
        np.concatenate(found) if found else np.empty((0, len(names))), columns=names
    )


def log_likelihoods(checkpoint, texts):
    """How surprised a causal language model is by each text, read from its beginning.

    Returns DataFrame [n]: nll (nats), n_tokens (that were predicted). The first token counts where
    the tokenizer has a token to begin with; else it is given, as in the paper's code.
    """
    tokenizer, model = _load("AutoModelForCausalLM", checkpoint)
    with suppress(AttributeError):
        tokenizer.padding_side = "right"
    begin, rows = tokenizer.bos_token_id, []
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        ids = ([] if begin is None else [begin]) + ids
        if len(ids) < 2:
            rows.append((0.0, 0))
            continue
        at = torch.tensor([ids])
        with torch.inference_mode():
            scores = model(at).logits[0, :-1].float().log_softmax(dim=1)
        rows.append((-float(scores.gather(1, at[0, 1:, None]).sum()), len(ids) - 1))
    return pd.DataFrame(rows, columns=["nll", "n_tokens"])
