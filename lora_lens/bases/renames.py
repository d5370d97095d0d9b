"""Modules whose names in memory and in files differ: transformers 5 renamed them, and kept the files.

An adapter says its modules as they were called in memory when it was trained, by transformers 4 or by
5; a base's file has the names of whoever wrote it. Each rule here takes an older name to the newer one
and leaves the newer one alone, so both sides meet in the newest name whichever way round they are. The
rules of a family are used only where the base's ``config.json`` names one of its models.

What is no renaming is not here: experts that are stacked, halves that are joined, rows that are
permuted for rotary embeddings. Their names do not meet, and that is an error.
"""

from __future__ import annotations

from typing import NamedTuple

Rule = tuple[str, str]


class Family(NamedTuple):
    """Models that were renamed alike: their types, as a configuration says them, and the rules."""

    models: str
    rules: tuple[Rule, ...]


_QUERY_KEY_VALUE = (
    (r"attention\.attention\.query\b", "attention.q_proj"),
    (r"attention\.attention\.key\b", "attention.k_proj"),
    (r"attention\.attention\.value\b", "attention.v_proj"),
)
_SELF = (
    (r"attention\.self\.query\b", "attention.q_proj"),
    (r"attention\.self\.key\b", "attention.k_proj"),
    (r"attention\.self\.value\b", "attention.v_proj"),
)
_OUTPUT = ((r"attention\.output\.dense\b", "attention.o_proj"),)
_DENSE = (
    (r"\bintermediate\.dense\b", "mlp.fc1"),
    (r"(?<!attention\.)\boutput\.dense\b", "mlp.fc2"),
)
_RESBLOCKS = (
    (r"\btransformer\.resblocks\.", "layers."),
    (r"\bmlp\.c_fc\b", "mlp.fc1"),
    (r"\bmlp\.c_proj\b", "mlp.fc2"),
)
_OUT_PROJ = ((r"\bout_proj\b", "o_proj"),)
_FORGET_GATE = ((r"\bself_attn\.(f_(?:[ab]_)?proj)\b", r"self_attn.forget_gate.\1"),)
_TO = (
    (r"\bself_attn\.to_([qkv])\b", r"self_attn.\1_proj"),
    (r"\bself_attn\.to_out\b", "self_attn.o_proj"),
)

FAMILIES: tuple[Family, ...] = (
    # ViT and those built like it.
    Family(
        "vit deit beit audio-spectrogram-transformer ijepa vit_mae vit_msn vivit pixio",
        ((r"\bencoder\.layer\.", "layers."), *_QUERY_KEY_VALUE, *_OUTPUT, *_DENSE),
    ),
    # What transformers 5 itself writes for `decoder.decoder_layers`.
    Family("vit_mae", ((r"\bdecoder_(?:encoder\.layer|layers)\.", "decoder_layers."),)),
    # DINOv2 kept its layers' place.
    Family("dinov2 dinov2_with_registers depth_pro", (*_QUERY_KEY_VALUE, *_OUTPUT)),
    Family(
        "lw_detr lw_detr_vit", (*_QUERY_KEY_VALUE, (r"attention\.output\b", "attention.o_proj"))
    ),
    Family("swin", (*_SELF, *_OUTPUT, *_DENSE)),
    Family(
        "mask2former oneformer grounding-dino mm-grounding-dino",
        ((r"(?<!swin\.)\bencoder\.(?=layers\.\d+\.(?:blocks|downsample)\.)", "swin.encoder."),),
    ),
    Family(
        "segformer",
        (
            (r"\bencoder\.block\.(\d+)\.(\d+)\.", r"stages.\1.blocks.\2."),
            (r"\bencoder\.patch_embeddings\.(\d+)\.", r"stages.\1.patch_embeddings."),
            (r"\battention\.self\.sr\b", "attention.sequence_reduction.sequence_reduction"),
            *_SELF,
            *_OUTPUT,
            (r"\bmlp\.dense([12])\b", r"mlp.fc\1"),
            (r"\bdecode_head\.linear_c\b", "decode_head.linear_projections"),
        ),
    ),
    # CLIP's and SigLIP's towers lost a level of their own in whatever holds them.
    Family(
        "clip clip_vision_model clip_text_model altclip chinese_clip chinese_clip_vision_model clipseg "
        "clipseg_vision_model clipseg_text_model metaclip_2 metaclip_2_vision_model "
        "metaclip_2_text_model siglip siglip_vision_model siglip_text_model siglip2 "
        "siglip2_vision_model siglip2_text_model xclip mlcd mlcd_vision_model",
        (
            (
                r"\b((?:vision|image|video)_(?:tower|model)|vision_encoder)\.vision_model\.",
                r"\1.",
            ),
            (r"\b(text_model|text_encoder)\.text_model\.", r"\1."),
        ),
    ),
    Family("altclip", ((r"\bencoder\.layer\.", "encoder.layers."),)),
    # A language model inside another model: `language_model.model.layers` or `model.layers` in files,
    # `model.language_model.layers` in memory, with the head outside.
    Family(
        "llava llava_next llava_next_video llava_onevision vipllava video_llava aria paligemma aya_vision "
        "cohere2_vision got_ocr2 gemma3 shieldgemma2 internvl mistral3 pp_chart2table fuyu mllama "
        "voxtral voxtral_realtime audioflamingo3 glmasr musicflamingo qwen2_audio granite_speech "
        "granite_speech_plus vibevoice_asr qianfan_ocr minimax_m3_vl hyperclovax_vision_v2 emu3 pi0 kimi_k25 "
        "colpali",
        (
            (r"\blanguage_model\.model\.", "language_model."),
            (r"\blanguage_model\.lm_head\b", "lm_head"),
            # An adapter of the language model alone.
            (r"^model\.(layers|embed_tokens)\.", r"language_model.\1."),
            (r"^model\.(?=(?:multi_modal_projector|vision_embed_tokens)\.)", ""),
        ),
    ),
    Family(
        "qwen2_vl qwen2_5_vl colqwen2 paddleocr_vl ernie4_5_vl_moe qwen2_5_omni qwen2_5_omni_thinker "
        "qwen3_omni_moe qwen3_omni_moe_thinker hunyuan_vl gemma3n_text qwen3_5_text qwen3_5_moe_text "
        "qwen4_exp_text apertus1p5_text hy_v4_vl unlimited_ocr step3p7 cosmos3_omni cosmos3_edge",
        (
            (r"^thinker\.", ""),
            (
                r"(?:^|\bmodel\.)(layers|embed_tokens|per_layer_model_projection|altup_\w+)\.",
                r"language_model.\1.",
            ),
        ),
    ),
    Family("paddleocr_vl", ((r"\bmlp_AR\.", "projector."),)),
    Family(
        "ernie4_5_vl_moe",
        (
            (r"\bvision_model\.", "vision_tower."),
            (r"\b(spatial|temporal)_linear\.0\b", r"\1_linear.fc1"),
            (r"\b(spatial|temporal)_linear\.2\b", r"\1_linear.fc2"),
        ),
    ),
    Family(
        "t5gemma2",
        (
            (r"\bvision_tower\.vision_model\.", "vision_tower."),
            (r"(?<!vision_tower\.)\bencoder\.layers\.", "encoder.text_model.layers."),
        ),
    ),
    # Detectors.
    Family(
        "rt_detr rt_detr_v2 pp_doclayout_v2 pp_doclayout_v3 pp_doclayout_v4",
        (
            *_OUT_PROJ,
            (r"\bencoder\.encoder\.(\d+)\.layers\.", r"encoder.aifi.\1.layers."),
            (r"\blayers\.(\d+)\.(fc[12])\b", r"layers.\1.mlp.\2"),
        ),
    ),
    Family(
        "d_fine",
        (
            *_OUT_PROJ,
            (r"\bencoder\.encoder\.(\d+)\.layers\.", r"encoder.aifi.\1.layers."),
            (r"\blayers\.(\d+)\.fc1\b", r"layers.\1.mlp.layers.0"),
            (r"\blayers\.(\d+)\.fc2\b", r"layers.\1.mlp.layers.1"),
        ),
    ),
    Family(
        "detr deformable_detr maskformer",
        (
            (r"\b(self_attn|encoder_attn)\.out_proj\b", r"\1.o_proj"),
            (r"\blayers\.(\d+)\.(fc[12])\b", r"layers.\1.mlp.\2"),
        ),
    ),
    # Language models.
    Family("gpt_neox", ((r"^embed_out\b", "lm_head"),)),
    Family(
        "exaone",
        (
            (r"^transformer\.h\.", "model.layers."),
            (r"\battn\.attention\.out_proj\b", "self_attn.o_proj"),
            (r"\battn\.attention\.", "self_attn."),
            (r"\bmlp\.c_fc_0\b", "mlp.gate_proj"),
            (r"\bmlp\.c_fc_1\b", "mlp.up_proj"),
            (r"\bmlp\.c_proj\b", "mlp.down_proj"),
        ),
    ),
    Family(
        "nomic_bert",
        (
            (r"\bencoder\.layers\.", "layers."),
            (r"\battn\.out_proj\b", "self_attn.o_proj"),
            (r"\bfc11\b", "up_proj"),
            (r"\bfc12\b", "gate_proj"),
            (r"\bmlp\.fc2\b", "mlp.down_proj"),
        ),
    ),
    Family(
        "jina_embeddings_v3",
        ((r"\bencoder\.layers\.", "layers."), (r"\bmixer\.out_proj\b", "self_attn.o_proj")),
    ),
    Family(
        "gte",
        (
            (r"^new\.", ""),
            (r"\bencoder\.layer\.", "layers."),
            (r"\battention\.o_proj\b", "self_attn.o_proj"),
        ),
    ),
    Family("nemotron_h nemotron_h_omni dory", ((r"\bbackbone\.(?=layers\.)", "model."),)),
    Family("dory", ((r"\bself_attn\.g_proj\b", "self_attn.gate_proj"),)),
    Family("hy_v3", ((r"\bmlp\.shared_mlp\.", "mlp.shared_experts."),)),
    Family("hy_v4 hy_v4_vl hy_v4_vl_text", ((r"\blinear_gate\b", "gate_proj"),)),
    Family("laguna", ((r"\bmlp\.shared_expert\.", "mlp.shared_experts."),)),
    Family("phimoe", ((r"\bblock_sparse_moe\.gate\b", "mlp.router"),)),
    Family(
        "mixtral minimax minimax_m2 phimoe kimi_linear minimax_m3_vl",
        ((r"\bblock_sparse_moe\.", "mlp."),),
    ),
    Family(
        "mixtral minimax minimax_m2 phimoe kimi_linear minimax_m3_vl lfm2_moe deepseek_v4",
        (
            (r"\b(experts\.\d+)\.w1\b", r"\1.gate_proj"),
            (r"\b(experts\.\d+)\.w3\b", r"\1.up_proj"),
            (r"\b(experts\.\d+)\.w2\b", r"\1.down_proj"),
        ),
    ),
    # Stacks of experts, whose tensors have no `.weight` in memory.
    Family(
        "granitemoe granitemoeshared granitemoehybrid",
        (
            (r"\bblock_sparse_moe\.input_linear\.weight$", "block_sparse_moe.experts.gate_up_proj"),
            (r"\bblock_sparse_moe\.output_linear\.weight$", "block_sparse_moe.experts.down_proj"),
            (r"\bblock_sparse_moe\.router\.layer\b", "block_sparse_moe.router"),
        ),
    ),
    Family(
        "aria aria_text",
        (
            (r"\bmlp\.experts\.fc1\.weight$", "mlp.experts.gate_up_proj"),
            (r"\bmlp\.experts\.fc2\.weight$", "mlp.experts.down_proj"),
        ),
    ),
    Family("kimi_linear glm5_next glm5_next_text", _FORGET_GATE),
    Family(
        "axk2",
        (
            (r"\bself_attn\.q_b_proj\b", "self_attn.q_gate_proj"),
            (r"\b(\w*layernorm)\.W_down\b", r"\1.mlp.fc1"),
            (r"\b(\w*layernorm)\.W_up\b", r"\1.mlp.fc2"),
        ),
    ),
    Family("hrm_text", ((r"(?<=\.)attn\.", "self_attn."),)),
    Family("sarvam_moe", ((r"\battention\.dense\b", "self_attn.o_proj"),)),
    Family("timesfm2_5", ((r"\bff0\b", "fc1"), (r"\bff1\b", "fc2"))),
    Family("cosmos3_omni", _TO),
    # Others with towers.
    Family("dinov3_vit dinov3_convnext", ((r"(?<!model\.)\b(layer|stages)\.", r"model.\1."),)),
    Family("hyperclovax_vision_v2", ((r"\bvision_projector\.", "projector."),)),
    Family(
        "hunyuan_vl hy_v4_vl",
        (
            (r"\bdense_h_to_4h\b", "fc1"),
            (r"\bdense_4h_to_h\b", "fc2"),
            (r"^(?:model\.)?vit\.", "vision_tower."),
        ),
    ),
    Family(
        "minimax_m3_vl",
        (
            (r"\bvision_tower\.vision_model\.encoder\.", "vision_tower."),
            (r"\bpatch_merge_mlp\.linear_", "multi_modal_projector.merge_linear_"),
        ),
    ),
    Family(
        "cohere_asr",
        (
            (r"\bpre_encode\.out\b", "subsampling.linear"),
            (r"\bself_attn\.linear_([qkv])\b", r"self_attn.\1_proj"),
            (r"\bself_attn\.linear_out\b", "self_attn.o_proj"),
            (r"\bself_attn\.linear_pos\b", "self_attn.relative_k_proj"),
            (r"\btransf_decoder\._decoder\.", "decoder."),
            (r"\bfirst_sub_layer\.", "self_attn."),
            (r"\bsecond_sub_layer\.", "encoder_attn."),
            (r"\bquery_net\b", "q_proj"),
            (r"\bkey_net\b", "k_proj"),
            (r"\bvalue_net\b", "v_proj"),
            (r"\bout_projection\b", "o_proj"),
            (r"\bthird_sub_layer\.dense_in\b", "mlp.fc1"),
            (r"\bthird_sub_layer\.dense_out\b", "mlp.fc2"),
            (r"\bencoder_decoder_proj\b", "decoder.proj"),
            (r"\blog_softmax\.mlp\.layer0\b", "proj_out"),
        ),
    ),
    Family(
        "mimi csm kyutai_speech_to_text",
        (
            (r"(?<!encoder\.)\bencoder_transformer\.", "encoder.encoder_transformer."),
            (r"(?<!decoder\.)\bdecoder_transformer\.", "decoder.decoder_transformer."),
        ),
    ),
    Family(
        "step3p7 step3p5_vision",
        (
            *_RESBLOCKS,
            (r"(?<!self_)\battn\.", "self_attn."),
            (r"\bvit_large_projector\b", "multi_modal_projector"),
        ),
    ),
    Family("step3p7", ((r"^model\.(?=multi_modal_projector\.)", ""),)),
    Family(
        "cosmos3_edge",
        (
            *_TO,
            (r"\b(language_model\.layers\.\d+\.mlp)\.up_proj\b", r"\1.fc1"),
            (r"\b(language_model\.layers\.\d+\.mlp)\.down_proj\b", r"\1.fc2"),
        ),
    ),
    Family("lfm3_vl lfm3_vl_vision", ((r"\bpatchifier\b", "patch_embed"),)),
    Family("ultrabert ultravbert", ((r"\bultrabert\.", ""), (r"^head\.decoder\b", "lm_head"))),
    Family(
        "pi0",
        (
            (r"\bpaligemma_with_expert\.gemma_expert\.model\.", "dit."),
            (r"\bpaligemma_with_expert\.paligemma\.model\.", "vlm."),
        ),
    ),
    Family(
        "bailing_hybrid",
        (
            (r"(?<=\.)attention\.", "self_attn."),
            (r"\bself_attn\.f_proj\b", "self_attn.forget_gate.f_proj"),
            (r"\bself_attn\.dense\b", "self_attn.o_proj"),
        ),
    ),
    Family(
        "deepseek_v4",
        (
            (r"(?<=\.)attn\.", "self_attn."),
            (r"(?<=\.)ffn\.", "mlp."),
            (r"\bwq_([ab])\b", r"q_\1_proj"),
            (r"\bwo_([ab])\b", r"o_\1_proj"),
            (r"\bwkv\b", "kv_proj"),
            (r"\bwgate\b", "gate_proj"),
            (r"\bshared_experts\.w1\b", "shared_experts.gate_proj"),
            (r"\bshared_experts\.w2\b", "shared_experts.down_proj"),
            (r"\bshared_experts\.w3\b", "shared_experts.up_proj"),
            (r"^head\b", "lm_head"),
        ),
    ),
    Family(
        "inkling2 inkling2_text inkling2_loop inkling2_loop_text inkling_mm_model",
        (
            (r"^(?:model\.)?llm\.unembed\b", "lm_head"),
            (r"(?:^|\bmodel\.)(?:llm\.)?layers\.", "language_model.layers."),
            (r"(?<=\.)attn\.", "self_attn."),
            (r"\bvisual\.", "vision_tower."),
            (r"\bvision_tower\.backbone\.", "vision_tower."),
            (r"\bvision_tower\.proj_in\b", "vision_tower.merger.linear_1"),
            (r"\bvision_tower\.proj_out\b", "vision_tower.merger.linear_2"),
            (
                r"\bvision_tower\.layers\.linear_(\d+)\b",
                r"vision_tower.encoder_layers.\1.projection",
            ),
            (r"\bmlp\.c_fc\b", "mlp.fc1"),
            (r"\bmlp\.c_proj\b", "mlp.fc2"),
        ),
    ),
    Family(
        "inkling2 inkling2_text inkling2_loop inkling2_loop_text",
        (
            (r"\bwq_du\b", "q_proj.linear"),
            (r"\bwk_dv\b", "k_proj.linear"),
            (r"\bwv_dv\b", "v_proj.linear"),
            (r"\bwo_ud\b", "o_proj.linear"),
            (r"\bwr_du\b", "relative_position_bias.linear"),
            (r"\bgate_attn\b", "o_proj.gate_proj"),
            (r"\battn_sink_proj\b", "sink_proj"),
        ),
    ),
    Family(
        "inkling_mm_model",
        (
            (r"\bwq_du\b", "q_proj"),
            (r"\bwk_dv\b", "k_proj"),
            (r"\bwv_dv\b", "v_proj"),
            (r"\bwo_ud\b", "o_proj"),
            (r"\bwr_du\b", "r_proj"),
        ),
    ),
    Family(
        "molmo2 molmo2_text",
        (
            (r"\bvision_backbone\.image_vit\.", "vision_tower."),
            (r"\bvision_backbone\.", "multi_modal_projector."),
            (r"\btransformer\.resblocks\.", "layers."),
            (r"\btransformer\.blocks\.", "language_model.layers."),
            (r"\bimage_pooling_2d\.w([qkvo])\b", r"image_pooling_2d.\1_proj"),
            (r"\battention\.w([qkvo])\b", r"self_attn.\1_proj"),
            (r"\bfeed_forward\.w1\b", "mlp.fc1"),
            (r"\bfeed_forward\.w2\b", "mlp.fc2"),
            (r"\bimage_projector\.w1\b", "image_projector.gate_proj"),
            (r"\bimage_projector\.w2\b", "image_projector.down_proj"),
            (r"\bimage_projector\.w3\b", "image_projector.up_proj"),
            (r"\bself_attn\.attn_out\b", "self_attn.o_proj"),
            (r"\bmlp\.ff_out\b", "mlp.down_proj"),
        ),
    ),
    Family(
        "radio nemotron_h_omni",
        (
            (r"\bradio_model\.model\.patch_generator\.embedder\b", "embeddings.patch_projection"),
            (
                r"\bradio_model\.model\.patch_generator\.video_embedder\b",
                "embeddings.video_patch_projection",
            ),
            (
                r"\bradio_model\.model\.blocks\.(\d+)\.attn\.proj\b",
                r"encoder.layer.\1.attention.o_proj",
            ),
            (r"\bradio_model\.model\.blocks\.", "encoder.layer."),
        ),
    ),
    Family(
        "sapiens2",
        (
            (r"^(?:backbone\.)?blocks\.", "model.layer."),
            (r"\battn\.w([qkv])\b", r"attention.\1_proj"),
            (r"\battn\.proj\b", "attention.o_proj"),
            (r"\bffn\.w3\b", "mlp.down_proj"),
        ),
    ),
    Family(
        "tipsv2 tipsv2_dpt tipsv2_text_model tipsv2_vision_model",
        (
            (r"^(?:text_encoder\.)+", "text_model."),
            (r"^(?:(?:vision_encoder\.)+|backbone\.)", "vision_model."),
            (r"\btransformer\.resblocks\.(\d+)\.attn\.", r"encoder.layers.\1.self_attn."),
            (r"\btransformer\.resblocks\.", "encoder.layers."),
            (r"\bblocks\.(\d+)\.attn\.proj\b", r"encoder.layer.\1.attention.o_proj"),
            (r"\bblocks\.", "encoder.layer."),
            (r"\bmlp\.c_fc\b", "mlp.fc1"),
            (r"\bmlp\.c_proj\b", "mlp.fc2"),
            (r"\bmlp\.w3\b", "mlp.down_proj"),
        ),
    ),
    Family(
        "unlimited_ocr",
        (
            (r"\bsam_model\.blocks\.", "vision_tower.sam_encoder.layers."),
            (r"\bvision_model\.transformer\.", "vision_tower.vision_encoder.encoder."),
            (
                r"^(?:model\.)?(?:projector\.layers|multi_modal_projector)\b",
                "multi_modal_projector",
            ),
        ),
    ),
    Family(
        "qianfan_ocr",
        (
            (r"\bvision_model\.", "vision_tower."),
            (r"\bvision_tower\.encoder\.layers\.", "vision_tower.layers."),
            (
                r"\bvision_tower\.layers\.(\d+)\.attn\.proj\b",
                r"vision_tower.layers.\1.attention.projection_layer",
            ),
            (r"\bmlp1\.1\b", "multi_modal_projector.linear_1"),
            (r"\bmlp1\.3\b", "multi_modal_projector.linear_2"),
        ),
    ),
    Family(
        "kimi_k25",
        (
            # The second first: what the first becomes has the second's old name.
            (r"\bencoder\.blocks\.(\d+)\.mlp\.fc1\b", r"layers.\1.mlp.fc2"),
            (r"\bencoder\.blocks\.(\d+)\.mlp\.fc0\b", r"layers.\1.mlp.fc1"),
            (r"\bencoder\.blocks\.(\d+)\.wo\b", r"layers.\1.attn.proj"),
            (r"\bmm_projector\.proj\.0\b", "mm_projector.in_proj"),
            (r"\bmm_projector\.proj\.2\b", "mm_projector.out_proj"),
        ),
    ),
    Family(
        "rf_detr",
        (
            (r"\bbackbone\.0\.encoder\.encoder\.", "backbone.backbone."),
            *_QUERY_KEY_VALUE,
            *_OUTPUT,
            (r"\btransformer\.", ""),
            (r"\bself_attn\.out_proj\b", "self_attn.o_proj"),
            (r"\b(decoder\.layers\.\d+)\.linear([12])\b", r"\1.mlp.fc\2"),
        ),
    ),
    Family(
        "pp_doclayout_v4",
        (
            (r"\bdecoder_roor_order_head\.", "decoder.successor_order_head.proj."),
            (r"\bdecoder_roor_global_pointer\.", "decoder.successor_order_head.global_pointer."),
            (r"\bdecoder_order_head\.", "decoder.relative_order_head.proj."),
            (r"\bdecoder_global_pointer\.", "decoder.relative_order_head.global_pointer."),
        ),
    ),
)
