"""Which of transformers' architectures are one family, and what their models' names begin with."""

from __future__ import annotations

from collections.abc import Mapping


def _words(text: str) -> list[str]:
    return text.split()


# Models whose names begin with their own architecture's, as in ``mpnet.encoder.layer.0…``.
_OF_THEIR_OWN_NAME = _words("""
albert audio-spectrogram-transformer beit bert biogpt canine convbert deberta deit dinov2
dinov2_with_registers distilbert electra ernie fnet funnel gpt_neox hiera hubert ibert ijepa
layoutlm layoutlmv2 layoutlmv3 led levit lilt longformer luke markuplm mobilebert mpnet mra
nystromformer reformer rembert roberta roberta-prelayernorm roc_bert roformer segformer sew sew-d
splinter swin swinv2 tapas timesformer unispeech unispeech-sat videomae visual_bert vit vivit
wav2vec2 wav2vec2-bert wav2vec2-conformer wavlm yoso
""")
_OF_ANOTHERS = {
    "bert-generation": "bert",
    "big_bird": "bert",
    "megatron-bert": "bert",
    "blip_text_model": "bert",
    "camembert": "roberta",
    "xlm-roberta": "roberta",
    "xlm-roberta-xl": "roberta",
    "xmod": "roberta",
    "altclip_text_model": "roberta",
    "jina_embeddings_v3": "roberta",
    "deberta-v2": "deberta",
    "data2vec-audio": "data2vec_audio",
    "data2vec-text": "data2vec_text",
    "data2vec-vision": "data2vec_vision",
    "vit_mae": "vit",
    "vit_msn": "vit",
    "yolos": "vit",
    "vitpose": "vit",
    "vitpose_backbone": "vit",
}
# ``model``, ``transformer`` and the like, which tell nothing.
_OF_NO_NAME = _words("""
bart bigbird_pegasus blenderbot blenderbot-small bloom codegen cohere cohere2 ctrl deepseek_v2
deepseek_v3 falcon flaubert fsmt gemma gemma2 gemma3_text glm glm4 gpt2 gpt_bigcode gpt_neo
gpt_oss gptj granite granitemoe imagegpt llama longt5 m2m_100 marian mbart mistral mixtral
modernbert mpt mt5 nemotron olmo olmo2 olmoe openai-gpt opt pegasus phi phi3 phimoe plbart qwen2
qwen2_moe qwen3 qwen3_moe smollm3 squeezebert stablelm starcoder2 t5 umt5 whisper xglm xlm xlnet
""")
# Made of two models that each have a type of their own.
_OF_TWO = _words("encoder-decoder vision-encoder-decoder speech-encoder-decoder")
# By model_type, what its models' names begin with; None where others' begin with the same.
PREFIXES: Mapping[str, str | None] = {
    **{one: one.replace("-", "_") for one in _OF_THEIR_OWN_NAME},
    **_OF_ANOTHERS,
    **dict.fromkeys(_OF_NO_NAME),
    **dict.fromkeys(_OF_TWO),
}
# Every word among them.
PREFIX_WORDS = frozenset(filter(None, PREFIXES.values()))
_FOLDERS = {
    "openai-gpt": "openai",
    "gemma3_text": "gemma3",
    "blip_text_model": "blip",
    "altclip_text_model": "altclip",
    "data2vec-audio": "data2vec",
    "data2vec-text": "data2vec",
    "data2vec-vision": "data2vec",
}
# One architecture under several names, or whose weights are loaded into each other's class.
_ALIKE = (
    ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "xmod"),
    ("bert", "bert-generation", "ernie"),
    ("vit", "vit_mae", "vit_msn", "deit", "yolos"),
    ("beit", "data2vec-vision"),
    ("t5", "mt5", "umt5"),
    ("bart", "mbart", "plbart"),
    ("falcon", "RefinedWeb", "RefinedWebModel"),
)
_FIRST_OF = {one: group[0] for group in _ALIKE for one in group}
# The parts of a model are of its own family: ``clip_text_model``, ``qwen2_vl_text``.
_PARTS = ("_model", "_text", "_vision", "_audio", "_encoder", "_decoder")


def family(model_type: str) -> str:
    """One name for architectures that are alike, and for a model and its parts.

    Example:
        >>> family("camembert"), family("clip_text_model"), family("mpnet")
        ('roberta', 'clip', 'mpnet')
    """
    for ending in _PARTS:
        model_type = model_type.removesuffix(ending)
    return _FIRST_OF.get(model_type, model_type)


def folder(model_type: str) -> str:
    """Where transformers keeps the architecture's code.

    Example:
        >>> folder("openai-gpt"), folder("xlm-roberta")
        ('openai', 'xlm_roberta')
    """
    return _FOLDERS.get(model_type, model_type.replace("-", "_"))


def in_folder(name: str) -> frozenset[str]:
    """The architectures that are known of a folder of transformers."""
    return frozenset(one for one in PREFIXES if folder(one) == name)


def with_prefix(word: str) -> frozenset[str]:
    """The architectures whose models' names begin with a word; none where it tells nothing.

    Example:
        >>> sorted(with_prefix("deberta")), with_prefix("model")
        (['deberta', 'deberta-v2'], frozenset())
    """
    return frozenset(one for one, prefix in PREFIXES.items() if prefix == word)
