"""Language models that answer after one token of sound and picture: which there are, and loading.

*Multimodal Empathetic Response Generation* (sections 4.2, 4.3): embeddings of a clip's sound and
picture are added, a linear projector turns the sum into one token before the prompt, and LoRA
adapts the language model. Any causal language model of transformers does, by hub id or folder.
"""

import importlib.util
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from empdis_utils.models.encoders import quiet

__all__ = [
    "LORA", "RESPONDERS", "PrefixLM", "Responder", "ResponderError", "lacking", "load",
    "load_trained",
]  # fmt: skip

#: Rank, scale and dropout of the adapter, as the paper has them (section 4.3).
LORA = {"r": 8, "lora_alpha": 16, "lora_dropout": 0.1}
IGNORED = -100  # a label that does not count, as torch's cross entropy has it


class ResponderError(ValueError):
    """A language model or a projector that cannot be used; the message is one sentence."""


@dataclass(frozen=True)
class Responder:
    """What has to be known about a language model.

    Attributes
    ----------
    name : str
        Key in `RESPONDERS`.
    hub_id : str or None
        Published weights; None: a checkpoint must be given.
    targets : tuple of str or str
        Modules that LoRA adapts; "all-linear" is every linear one.
    chat : bool
        Whether a prompt goes through the tokenizer's chat template.
    four_bit : bool
        Whether the weights are loaded in 4 bit, as the paper does; this needs a GPU.
    """

    name: str
    hub_id: str | None
    targets: tuple[str, ...] | str
    chat: bool
    four_bit: bool


_ATTENTION = ("q_proj", "v_proj")
RESPONDERS = {
    responder.name: responder
    for responder in (
        Responder("mistral", "mistralai/Mistral-7B-Instruct-v0.3", _ATTENTION, True, True),
        Responder("llama3", "meta-llama/Meta-Llama-3-8B-Instruct", _ATTENTION, True, True),
        Responder("tiny", None, _ATTENTION, True, False),
        Responder("auto", None, "all-linear", False, False),
    )
}
"""Language models by name: the paper's two, the book's own, and "auto", any other causal one."""


def _named(name, checkpoint):
    """The responder and where its weights are. Raises ResponderError."""
    if name not in RESPONDERS:
        raise ResponderError(f"There is no responder {name!r}; choose one of {list(RESPONDERS)}.")
    source = checkpoint or RESPONDERS[name].hub_id
    if source is None:
        raise ResponderError(f"The responder {name!r} has no default weights; give a checkpoint.")
    looks_like_path = isinstance(source, Path) or source.count("/") > 1 or source[0] in "./~"
    if looks_like_path or Path(source).is_dir():
        source = Path(source).expanduser()
        if not (source / "config.json").is_file():
            raise ResponderError(f"{source} is no checkpoint folder: it holds no config.json.")
    return RESPONDERS[name], source


def lacking(name, checkpoint=None, four_bit=None):
    """What a language model lacks here: list of sentences, empty when it can be loaded.

    `four_bit`: None takes the responder's own. Weights are not downloaded; only their description
    is looked for.
    """
    found = []
    try:
        responder, source = _named(name, checkpoint)
    except ResponderError as error:
        return [str(error)]
    if responder.four_bit if four_bit is None else four_bit:
        found += _lacking_four_bit(name)
    try:
        with quiet():
            config = AutoConfig.from_pretrained(source)
        if type(config) not in AutoModelForCausalLM._model_mapping:
            found.append(f"Model: {source} is a {config.model_type}, no causal language model.")
    except (OSError, ValueError):
        found.append(
            f"Model: {source} is neither in the local Hugging Face cache nor can be downloaded; "
            "accept its terms and log in to the hub, or give a local folder as checkpoint."
        )
    return found


def _lacking_four_bit(name):
    found = []
    if not torch.cuda.is_available():
        found.append(
            f"GPU: {name} is loaded in 4 bit, which needs an NVIDIA GPU, and there is none here; "
            "set four_bit to false for a smaller model on the CPU."
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        found.append(
            "Package: bitsandbytes, which loads weights in 4 bit, is not installed "
            "(pip install bitsandbytes)."
        )
    return found


class PrefixLM(torch.nn.Module):
    """A causal language model that reads one projected token of sound and picture first.

    Parameters
    ----------
    lm : transformers or peft model
    tokenizer : transformers tokenizer
    sound_width, picture_width : int
        Of the embeddings.
    joint : int, optional
        Both are projected to this width and then added. None: they are added as they are, as
        ImageBind's one space allows; the widths must be equal.
    chat : bool
        Whether prompts go through the chat template.
    about : dict
        What `load_trained` needs to load the language model again.

    Notes
    -----
    Embeddings are z-scored first, by `standardise`; without it they are taken as they are.
    """

    def __init__(self, lm, tokenizer, sound_width, picture_width, joint, chat=False, about=None):
        super().__init__()
        if joint is None and sound_width != picture_width:
            raise ResponderError(
                f"Sound has {sound_width} numbers and picture {picture_width}, which cannot be "
                "added; give joint, a width that both are projected to."
            )
        self.lm, self.tokenizer, self.chat, self.about = lm, tokenizer, chat, about or {}
        hidden = lm.get_input_embeddings().embedding_dim
        self.sound = torch.nn.Linear(sound_width, joint) if joint else torch.nn.Identity()
        self.picture = torch.nn.Linear(picture_width, joint) if joint else torch.nn.Identity()
        self.projector = torch.nn.Linear(joint or sound_width, hidden)
        self.widths = {"sound": sound_width, "picture": picture_width}
        for name, width in self.widths.items():
            self.register_buffer(f"{name}_centre", torch.zeros(width))
            self.register_buffer(f"{name}_scale", torch.ones(width))

    @property
    def device(self):
        """Where the projector is."""
        return self.projector.weight.device

    def projector_state(self):
        """Tensors of all that is not the language model, by name."""
        return {k: v.detach() for k, v in self.state_dict().items() if not k.startswith("lm.")}

    def trained(self):
        """Trainable parameters by name: projector and adapter."""
        return {name: p for name, p in self.named_parameters() if p.requires_grad}

    def draw(self, seed):
        """Draw projector and adapter anew from a seed; an adapter's start changes nothing."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for module in (self.sound, self.picture, self.projector):
                if isinstance(module, torch.nn.Linear):
                    module.reset_parameters()
            for module in self.lm.modules():
                if hasattr(module, "reset_lora_parameters"):
                    module.reset_lora_parameters("default", True)

    def standardise(self, sound, picture):
        """Take means and standard deviations of these embeddings for the z-scores."""
        for name, values in (("sound", sound), ("picture", picture)):
            values = torch.as_tensor(np.asarray(values), dtype=torch.float32)
            scale = values.std(dim=0, unbiased=False)
            getattr(self, f"{name}_centre").copy_(values.mean(dim=0))
            getattr(self, f"{name}_scale").copy_(torch.where(scale > 1e-6, scale, 1.0))

    def prefix(self, sound, picture):
        """The prefix token of each clip: float [n, 1, hidden].

        `sound`, `picture`: float [n, d]. Raises ResponderError: embeddings of another width.
        """
        parts = []
        for name, values in (("sound", sound), ("picture", picture)):
            values = torch.as_tensor(np.asarray(values), dtype=torch.float32).to(self.device)
            if values.shape[-1] != self.widths[name]:
                raise ResponderError(
                    f"The projector takes {self.widths[name]} numbers of {name}, and the "
                    f"embeddings have {values.shape[-1]}; use the encoder it was made for."
                )
            values = (values - getattr(self, f"{name}_centre")) / getattr(self, f"{name}_scale")
            parts.append(getattr(self, name)(values))
        return self.projector(sum(parts))[:, None]

    def no_prefix(self, n):
        """A prefix of zeros, which says nothing: float [n, 1, hidden]."""
        return torch.zeros(n, 1, self.projector.out_features, device=self.device)

    def prompt_ids(self, prompts):
        """Token ids of each prompt, with the chat template if there is one to use: list of list."""
        if self.chat:
            asked = {
                p: self.tokenizer.apply_chat_template(
                    [{"role": "user", "content": p}], add_generation_prompt=True, tokenize=False
                )
                for p in dict.fromkeys(prompts)
            }
            prompts = [asked[p] for p in prompts]
        ids = self.tokenizer(list(prompts), add_special_tokens=not self.chat)["input_ids"]
        end = self.tokenizer.eos_token_id
        return [row[:-1] if not self.chat and row and row[-1] == end else row for row in ids]

    def answer_ids(self, answers):
        """Token ids of each answer, the end token last: list of list of int."""
        ids = self.tokenizer(list(answers), add_special_tokens=False)["input_ids"]
        return [[*row, self.tokenizer.eos_token_id] for row in ids]

    def batch(self, prompt_ids, answer_ids, prefix):
        """What the language model takes: prefix, prompt, answer; padded on the right.

        `prompt_ids`, `answer_ids`: lists of token ids. `prefix`: [n, 1, hidden]. Returns dict:
        inputs_embeds [n, t, hidden]; attention_mask and labels [n, t]: labels are `IGNORED` at the
        prefix, the prompt and the padding, so that only the answer counts.
        """
        pad = torch.nn.utils.rnn.pad_sequence
        rows = [torch.tensor(p + a) for p, a in zip(prompt_ids, answer_ids, strict=True)]
        labels = [
            torch.tensor([IGNORED] * (1 + len(p)) + a)
            for p, a in zip(prompt_ids, answer_ids, strict=True)
        ]
        ids = pad(rows, batch_first=True, padding_value=self.tokenizer.pad_token_id)
        lengths = torch.tensor([1 + len(row) for row in rows])
        embedded = self.lm.get_input_embeddings()(ids.to(self.device))
        return {
            "inputs_embeds": torch.cat([prefix.to(embedded.dtype), embedded], dim=1),
            "attention_mask": (torch.arange(lengths.max()) < lengths[:, None])
            .long()
            .to(self.device),
            "labels": pad(labels, batch_first=True, padding_value=IGNORED).to(self.device),
        }

    def forward(self, prompt_ids, answer_ids, prefix):
        """The language model's output; its loss is the mean over the answers' tokens."""
        return self.lm(**self.batch(prompt_ids, answer_ids, prefix), use_cache=False)

    def save(self, folder):
        """Write projector and adapter as safetensors; the language model itself is not written."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        state = {name: value.cpu().contiguous() for name, value in self.projector_state().items()}
        save_file(state, folder / "projector.safetensors")
        self.lm.save_pretrained(folder / "adapter", safe_serialization=True)
        (folder / "responder.json").write_text(json.dumps(self.about, indent=1))


def load(
    name, checkpoint=None, *, sound_width, picture_width, joint=64, four_bit=None, chat=None,
    adapter=None, lora=LORA, device=None, dtype=None, seed=42,
):  # fmt: skip
    """Load a language model with its tokenizer, a new adapter, and a new projector before it.

    Parameters
    ----------
    name : str
        Key of `RESPONDERS`.
    checkpoint : str or Path, optional
        Hub id or local folder. Default: the responder's own.
    sound_width, picture_width, joint : int
        As for `PrefixLM`.
    four_bit, chat : bool, optional
        None takes the responder's own.
    adapter : path, optional
        A saved adapter; None draws one.
    lora : dict
        Settings of `peft.LoraConfig`.
    device : str, optional
        Default: the GPU if there is one.
    dtype : torch dtype, optional
        Of the language model. Default: float32 on the CPU, bfloat16 on a GPU.
    seed : int
        Of projector and adapter.

    Returns
    -------
    PrefixLM
        In eval mode; only projector and adapter are trainable.

    Raises
    ------
    ResponderError
        One sentence for each thing that is missing: weights, GPU, bitsandbytes, a chat template, or
        an end token. (A missing pad token is replaced: what is padded is masked.)

    Examples
    --------
    >>> path = "tests/fixture/checkpoints/responder"
    >>> model = load("tiny", path, sound_width=6, picture_width=4, joint=8)
    >>> model.prefix([[0.0] * 6], [[0.0] * 4]).shape
    torch.Size([1, 1, 64])
    """
    missing = lacking(name, checkpoint, four_bit)
    if missing:
        raise ResponderError(" ".join(missing))
    responder, source = _named(name, checkpoint)
    four_bit = responder.four_bit if four_bit is None else four_bit
    chat = responder.chat if chat is None else chat
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = _tokenizer(source, chat)
    lm = _adapted(_causal(source, four_bit, device, dtype), responder, adapter, lora, four_bit)
    about = {"name": name, "checkpoint": str(source), "joint": joint, "chat": chat, "lora": lora}
    about |= {"sound_width": sound_width, "picture_width": picture_width}
    model = PrefixLM(lm, tokenizer, sound_width, picture_width, joint, chat, about).to(device)
    if adapter is None:
        model.draw(seed)
    return model.eval()


def load_trained(folder, checkpoint=None, **how):
    """Load what `PrefixLM.save` wrote, on its language model.

    `checkpoint`: where the language model is now, if not where it was. `**how`: of `load`. Raises
    ResponderError: files that are missing, or a projector of another width than this model's.
    """
    folder = Path(folder)
    wanted = [folder / name for name in ("responder.json", "projector.safetensors", "adapter")]
    if gone := [path.name for path in wanted if not path.exists()]:
        raise ResponderError(f"{folder} holds no trained responder: {', '.join(gone)} is missing.")
    about = json.loads(wanted[0].read_text())
    state = load_file(wanted[1])
    source = checkpoint or about["checkpoint"]
    with quiet():
        hidden = AutoConfig.from_pretrained(source).hidden_size
    if state["projector.weight"].shape[0] != hidden:
        raise ResponderError(
            f"The projector in {folder} makes tokens of {state['projector.weight'].shape[0]} "
            f"numbers, and {source} takes {hidden}; use the language model it was trained with."
        )
    about |= {"checkpoint": source, "adapter": folder / "adapter"}
    model = load(**(about | how))
    model.load_state_dict(state, strict=False)
    return model


def _tokenizer(source, chat):
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise ResponderError(f"{source} holds no tokenizer that can be read: {error}") from None
    if tokenizer.eos_token is None:
        raise ResponderError(f"The tokenizer of {source} has no end token, so no answer could end.")
    if tokenizer.pad_token is None:  # Mistral's and Llama's have none; what is padded is masked
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    if chat and not tokenizer.chat_template:
        raise ResponderError(
            f"The tokenizer of {source} has no chat template; use an instructed checkpoint, or set "
            "chat to false."
        )
    return tokenizer


def _causal(source, four_bit, device, dtype):
    """The frozen language model. Raises ResponderError: no causal one, or weights missing."""
    how = {"dtype": dtype or (torch.float32 if str(device) == "cpu" else torch.bfloat16)}
    if four_bit:
        how["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=how["dtype"],
        )  # fmt: skip
        how["device_map"] = {"": device}
    try:
        with quiet():
            lm, info = AutoModelForCausalLM.from_pretrained(source, output_loading_info=True, **how)
    except (OSError, ValueError) as error:
        raise ResponderError(
            f"{source} cannot be loaded as a causal language model: {error}"
        ) from None
    if info["missing_keys"]:
        raise ResponderError(
            f"{source} lacks weights, for example {sorted(info['missing_keys'])[0]}."
        )
    return lm.requires_grad_(False)


def _adapted(lm, responder, adapter, lora, four_bit):
    import peft  # seconds to import, and only answers need it

    if four_bit:
        lm = peft.prepare_model_for_kbit_training(lm)
    targets = responder.targets
    targets = targets if isinstance(targets, str) else list(targets)
    config = peft.LoraConfig(task_type="CAUSAL_LM", target_modules=targets, **lora)
    with warnings.catch_warnings():  # peft asks transformers in a way that will go
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        warnings.filterwarnings("ignore", "fan_in_fan_out", UserWarning)  # GPT-2's; peft sets it
        if adapter is not None:
            return peft.PeftModel.from_pretrained(lm, str(adapter), is_trainable=True)
        try:
            return peft.get_peft_model(lm, config)
        except ValueError:
            raise ResponderError(
                f"{type(lm).__name__} has no modules {targets} for LoRA; use the responder 'auto'."
            ) from None
