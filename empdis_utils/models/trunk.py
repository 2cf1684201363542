"""The trainable end of an encoder, as the real transformers model without its frozen trunk.

The modules before the first trained layer are replaced by pass-throughs: attention masks, relative
positions, norms, pooling and head are the model's own code. A `Tail` has the usual
`forward(**batch, labels=...)`, so any training loop for such models can drive it.

Nothing is computed that nobody reads. Where head and embedding read the first token alone, what
follows the attention of the last layer sees that token alone. Texts of one batch are packed into
rows as long as the longest of them, each seeing itself only, instead of being padded. Both leave
logits and gradients as they are; dropout draws other numbers, of the same distribution.
"""

import copy
from operator import attrgetter

import torch
from torch.nn.utils.rnn import pad_sequence

from empdis_utils.models import encoders

__all__ = ["Tail"]

_MAIN_INPUT = {"text": "inputs_embeds", "audio": "input_values", "video": "pixel_values"}
# The module of a layer that first needs only what is read, where the head reads the first token.
_AFTER_ATTENTION = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "electra"), "attention.output"),
    **dict.fromkeys(("deberta", "deberta-v2"), "attention.output"),
    "mpnet": "attention.LayerNorm",
    "distilbert": "sa_layer_norm",
    "timesformer": "layernorm_after",
}


class Tail(torch.nn.Module):
    """The trainable end of an encoder: its last layers, what follows them, and its head.

    Parameters
    ----------
    name : str
        Key of `encoders.ENCODERS`.
    model : transformers.PreTrainedModel
        From `encoders.load`. It is copied, not changed.
    n_layers : int
        Trained transformer layers, from the end.
    whole : bool
        Keep the frozen trunk, too: then batches hold the model's own inputs.
    head : str
        "classifier" trains the modules of that name, as released: the audio encoders' projector
        and DeBERTa's pooler then stay as drawn. "all" trains everything outside the base model.
    """

    def __init__(self, name, model, *, n_layers=2, whole=False, head="classifier"):
        super().__init__()
        self.encoder = encoders.ENCODERS[name]
        path = encoders.layers_path(self.encoder, model)
        n = len(attrgetter(path)(model))
        if not 0 < n_layers < n:
            raise ValueError(f"n_layers is {n_layers}; the model has {n}, so give 1 to {n - 1}.")
        self.model = copy.deepcopy(model) if whole else _without_trunk(model, path, n_layers)
        self.model.new_parameters = model.new_parameters
        self.whole = whole
        layers = attrgetter(path)(self.model)
        _freeze(self.model, [f"{path}.{i}." for i in range(len(layers))[-n_layers:]], head)
        self._last_hidden = self._starts = None
        layers[-1].register_forward_hook(self._keep_output)
        after = _AFTER_ATTENTION.get(model.config.model_type)
        self.reads_first = bool(after) and not whole and self.encoder.readout == "first"
        if self.reads_first:
            layers[-1].get_submodule(after).register_forward_pre_hook(self._keep_first)

    def _keep_first(self, _module, args):
        if self._starts is None:
            return tuple(hidden[:, :1] for hidden in args)
        return tuple(hidden.flatten(0, 1)[self._starts, None] for hidden in args)

    def _keep_output(self, _module, _args, output):
        self._last_hidden = output[0] if isinstance(output, tuple) else output

    def forward(self, starts=None, **batch):
        """The model's output; in eval mode with `embedding` [b, d], read from the last layer.

        `starts`: int64 [b], where each clip starts in the rows that texts are packed into.
        """
        self._starts = starts
        output = self.model(**batch)
        hidden, self._last_hidden, self._starts = self._last_hidden, None, None
        if self.training:  # the audio encoders may have dropped the layer
            return output
        if self.encoder.readout == "first":
            output["embedding"] = hidden[:, 0]
        else:
            output["embedding"] = self._mean(hidden, batch.get("attention_mask"))
        return output

    def _mean(self, hidden, mask):
        if mask is None:
            return hidden.mean(dim=1)
        if self.encoder.modality == "audio":  # from samples to tokens
            mask = self.model._get_feature_vector_attention_mask(hidden.shape[1], mask)
        mask = mask[..., None].to(hidden.dtype)
        return (hidden * mask).sum(dim=1) / mask.sum(dim=1)

    def draw_new_parameters(self):
        """Draw what the checkpoint did not hold from torch's global generator."""
        new = set(self.model.new_parameters)
        owners = {}
        for key, parameter in self.model.named_parameters():
            parameter._is_hf_initialized = key not in new
            if key in new:
                module = key.rpartition(".")[0]
                owners[module] = self.model.get_submodule(module)
        for module in owners.values():
            self.model._init_weights(module)

    def collate(self, clips):
        """One batch of clips as they lie in a `TrunkCache`: padded, or texts packed into rows.

        `clips`: per clip what enters the tail: `hidden` [tokens, d], or the model's own inputs.
        """
        if self.whole:
            return _pad(clips)
        hidden = [clip["hidden"].to(torch.float32) for clip in clips]
        if self.reads_first and self.encoder.modality == "text":
            return _packed(hidden, self.model.config.model_type)
        batch = {_MAIN_INPUT[self.encoder.modality]: pad_sequence(hidden, batch_first=True)}
        if self.encoder.modality != "video":  # video clips all have the same number of tokens
            lengths = torch.tensor([len(h) for h in hidden])
            batch["attention_mask"] = (torch.arange(lengths.max()) < lengths[:, None]).long()
        return batch


def _freeze(model, layer_prefixes, head):
    """Leave the named layers and the head trainable, nothing else."""
    if head not in ("classifier", "all"):
        raise ValueError(f"head is {head!r}; it must be 'classifier' or 'all'.")
    base = model.base_model_prefix + "."
    for key, parameter in model.named_parameters():
        in_head = not key.startswith(base) if head == "all" else key.startswith("classifier.")
        parameter.requires_grad_(in_head or key.startswith(tuple(layer_prefixes)))


class _Given(torch.nn.Module):
    """Stands in for a module of the trunk: hands on what it was given."""

    def __init__(self, transpose=False, twice=False):
        super().__init__()
        self.transpose, self.twice = transpose, twice

    def forward(self, *args, **kwargs):
        given = next(x for x in (kwargs.get("inputs_embeds"), *args) if x is not None)
        given = given.transpose(1, 2) if self.transpose else given
        return (given, given) if self.twice else given


class _Nothing(torch.nn.Module):
    """Stands in for a position embedding that the trunk has already added."""

    def forward(self, hidden):
        return torch.zeros_like(hidden)


def _without_trunk(model, path, n_layers):
    """Copy of a model that starts at its last layers."""
    base, layers_of = model.base_model_prefix, path.rpartition(".")[0]
    kind = model.config.model_type
    substitutes = {path: torch.nn.ModuleList(attrgetter(path)(model)[-n_layers:])}
    if kind in ("hubert", "wav2vec2"):
        substitutes[f"{base}.feature_extractor"] = _Given(transpose=True)
        substitutes[f"{base}.feature_projection"] = _Given(twice=kind == "wav2vec2")
        substitutes[f"{layers_of}.pos_conv_embed"] = _Nothing()
        substitutes[f"{layers_of}.dropout"] = torch.nn.Identity()
        if not model.config.do_stable_layer_norm:  # else it follows the layers
            substitutes[f"{layers_of}.layer_norm"] = torch.nn.Identity()
    else:
        substitutes[f"{base}.embeddings"] = _Given()
        if hasattr(model.base_model, "embeddings_project"):  # ELECTRA
            substitutes[f"{base}.embeddings_project"] = _Given()
        if getattr(attrgetter(layers_of)(model), "conv", None) is not None:
            substitutes[f"{layers_of}.conv"] = None  # DeBERTa's, after the very first layer

    originals = {at: attrgetter(at)(model) for at in substitutes}
    try:
        for at, module in substitutes.items():
            _put(model, at, module)
        tail = copy.deepcopy(model)
    finally:
        for at, module in originals.items():
            _put(model, at, module)
    if kind in ("hubert", "wav2vec2"):
        tail.config.apply_spec_augment = False  # it masks what enters the trunk
        # Masks of the cached activations are already at their rate.
        for module in (tail, tail.base_model):
            module._get_feature_vector_attention_mask = _as_bool
    return tail


def _packed(hidden, kind):
    """Clips side by side in rows as long as the longest of them; the mask keeps them apart.

    `hidden`: per clip [tokens, d]. `kind`: the model's type. What fills the end of a row sees
    itself, so that no softmax is empty.
    """
    lengths = [len(h) for h in hidden]
    starts, n_rows = _places(lengths)
    width = max(lengths)
    at = torch.cat([torch.arange(s, s + n) for s, n in zip(starts, lengths, strict=True)])
    clip = torch.full((n_rows * width,), -1)
    clip[at] = torch.repeat_interleave(torch.arange(len(hidden)), torch.tensor(lengths))
    clip = clip.view(n_rows, 1, width)
    mask = clip[..., None] == clip[..., None, :]
    if not kind.startswith("deberta"):  # the others add their mask to the scores
        mask = torch.zeros(mask.shape).masked_fill_(~mask, torch.finfo(torch.float32).min)
    rows = torch.zeros(n_rows * width, hidden[0].shape[1])
    rows[at] = torch.cat(hidden)
    return {
        "inputs_embeds": rows.view(n_rows, width, -1),
        "attention_mask": mask,
        "starts": torch.tensor(starts),
    }


def _places(lengths):
    """Where each clip starts, rows counted one after another, and how many rows there are.

    First fit decreasing: the longest first, each into the first row that has room for it.
    """
    width, room, starts = max(lengths), [], [0] * len(lengths)
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        row = next((r for r, free in enumerate(room) if free >= lengths[i]), len(room))
        if row == len(room):
            room.append(width)
        starts[i] = (row + 1) * width - room[row]
        room[row] -= lengths[i]
    return starts, len(room)


def _as_bool(_length, mask, **_kwargs):
    return mask.bool()


def _put(model, at, module):
    parent, _, name = at.rpartition(".")
    setattr(model.get_submodule(parent), name, module)


def _pad(clips):
    batch = {}
    for key in clips[0]:
        values = [clip[key] for clip in clips]
        same = key == "pixel_values"
        batch[key] = torch.stack(values) if same else pad_sequence(values, batch_first=True)
    return batch
