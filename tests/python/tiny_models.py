"""Models of sentence-transformers of a few thousand weights, made by chance and without a hub."""

import string
from pathlib import Path
from typing import Any

# fmt: off
WORDS = ["and", "bread", "butter", "cat", "document", "dog", "every", "how", "key", "month",
         "query", "rotate", "sign", "the", "to"]
# fmt: on
PROMPTS = {"query": "query: ", "document": "document: "}
HIDDEN = 32
LETTERS = [*string.ascii_lowercase, *string.digits]
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *string.punctuation, *LETTERS]
PIECES += [*(f"##{letter}" for letter in LETTERS), *WORDS]
# more than there are pieces, so that a sparse vector has more elements than an index takes
LARGE_VOCABULARY = 1_500


def build_dense(folder: Path) -> Path:
    """Mean pooling and normalisation: vectors of 32, prompts for both sides."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import BertModel

    modules = [
        Transformer(str(_backbone(folder, BertModel))),
        Pooling(HIDDEN, "mean"),
        Normalize(),
    ]
    return _saved(SentenceTransformer(modules=modules, device="cpu", prompts=PROMPTS), folder)


def build_sparse(folder: Path) -> Path:
    """A masked language model's head and SPLADE pooling: vectors of 1,500, most of them filled."""
    from sentence_transformers import SparseEncoder
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sparse_encoder.modules import SpladePooling
    from transformers import BertForMaskedLM

    backbone = str(_backbone(folder, BertForMaskedLM, vocab_size=LARGE_VOCABULARY))
    modules = [Transformer(backbone, transformer_task="fill-mask"), SpladePooling("max")]
    return _saved(SparseEncoder(modules=modules, device="cpu", prompts=PROMPTS), folder)


def build_routed_sparse(folder: Path) -> Path:
    """Documents as in `build_sparse`; a query is looked up in a table, without computation."""
    from sentence_transformers import SparseEncoder
    from sentence_transformers.base.modules import Router, Transformer
    from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding, SpladePooling
    from torch import linspace
    from transformers import BertForMaskedLM

    backbone = str(_backbone(folder, BertForMaskedLM))
    transformer = Transformer(backbone, transformer_task="fill-mask")
    weights = linspace(0.1, 1, len(PIECES))
    router = Router.for_query_document(
        query_modules=[SparseStaticEmbedding(transformer.tokenizer, weights)],
        document_modules=[transformer, SpladePooling("max")],
    )
    return _saved(SparseEncoder(modules=[router], device="cpu"), folder)


def build_multi_vector(folder: Path) -> Path:
    """A projection to 16, no vectors for punctuation, queries of at most 12 tokens."""
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
    from torch.nn import Identity
    from transformers import BertModel

    backbone = str(_backbone(folder, BertModel))
    modules = [
        Transformer(backbone, query_length=12, document_length=24),
        Dense(
            HIDDEN,
            16,
            bias=False,
            activation_function=Identity(),
            module_input_name="token_embeddings",
        ),
        MultiVectorMask(skiplist_words=list(".,!?")),
        Normalize(module_input_name="token_embeddings"),
    ]
    return _saved(MultiVectorEncoder(modules=modules, device="cpu", prompts=PROMPTS), folder)


def build_clip(folder: Path) -> Path:
    """A CLIP of images of 32 by 32 pixels and texts of at most 77 tokens: vectors of 16."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from transformers import CLIPConfig, CLIPModel, CLIPProcessor, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    place = folder / "backbone"
    marks = ["<|startoftext|>", "<|endoftext|>"]
    words = [*marks, *LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    sizes = {
        "hidden_size": HIDDEN,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    text = sizes | {"vocab_size": len(words), "bos_token_id": 0, "eos_token_id": 1}
    # weights so large that images differ
    image = sizes | {"image_size": 32, "patch_size": 8, "initializer_factor": 3.0}
    torch.manual_seed(7)
    CLIPModel(CLIPConfig(text_config=text, vision_config=image, projection_dim=16)).save_pretrained(
        place
    )
    vocabulary = {word: number for number, word in enumerate(words)}
    CLIPProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
        ),
        tokenizer=CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77),
    ).save_pretrained(place)
    return _saved(SentenceTransformer(modules=[Transformer(str(place))], device="cpu"), folder)


def build_cross_encoder(folder: Path) -> Path:
    """A CrossEncoder: pairs of at most 32 tokens, scores between 0 and 1."""
    from sentence_transformers import CrossEncoder

    return _saved(CrossEncoder(str(build_classifier(folder)), device="cpu"), folder)


def build_classifier(folder: Path, labels: int = 1) -> Path:
    """A classifier of pairs, which embeds nothing, as transformers stores it."""
    from transformers import BertForSequenceClassification

    # weights so large that the scores differ
    options = {"num_labels": labels, "initializer_range": 0.5}
    return _backbone(folder, BertForSequenceClassification, **options)


def _backbone(folder: Path, architecture: Any, **options: Any) -> Path:
    """Save a BERT of two layers with a vocabulary of letters and some words."""
    import torch
    from transformers import BertConfig, BertTokenizerFast

    place = folder / "backbone"
    torch.manual_seed(7)
    sizes = {
        "vocab_size": len(PIECES),
        "hidden_size": HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
    }
    architecture(BertConfig(**sizes | options)).save_pretrained(place)
    vocabulary = {piece: number for number, piece in enumerate(PIECES)}
    BertTokenizerFast(vocab=vocabulary, model_max_length=32).save_pretrained(place)
    return place


def _saved(encoder: Any, folder: Path) -> Path:
    encoder.save(str(folder / "model"), create_model_card=False)
    return folder / "model"
