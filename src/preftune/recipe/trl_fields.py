"""What becomes of the fields of TRL's configurations that are not translated one by one.

Fields of TRL 1.12.0 (the last release with PPO), its model and script arguments, and
``transformers.TrainingArguments`` of the 4.57 and 5.23 releases.
"""

from typing import Any

_GROUPS: dict[str, str] = {
    "Logging: metrics are always written to metrics.jsonl; see the monitoring page.": """
        disable_tqdm include_for_metrics include_inputs_for_metrics include_num_input_tokens_seen
        include_tokens_per_second log_level log_level_replica log_on_each_node logging_dir
        logging_first_step logging_nan_inf_filter logging_steps logging_strategy
        num_sample_generations project report_to run_name skip_memory_metrics
        trackio_bucket_id trackio_space_id trackio_static_space_id""",
    "Saving: models and checkpoints go to the run folder; set checkpoint_every.": """
        enable_jit_checkpoint output_dir overwrite_output_dir save_on_each_node save_only_model
        save_safetensors save_steps save_strategy save_total_limit""",
    "Publishing: nothing is uploaded; the model folder is an ordinary Hugging Face folder.": """
        hub_always_push hub_model_id hub_private_repo hub_revision hub_strategy hub_token
        push_to_hub push_to_hub_model_id push_to_hub_organization push_to_hub_token""",
    "Resuming: the same command again continues the run.": """
        ignore_data_skip restore_callback_states_from_checkpoint resume_from_checkpoint""",
    "Hardware and distribution: nothing here changes what is computed; see [machine].": """
        accelerator_config average_tokens_across_devices ddp_backend ddp_broadcast_buffers
        ddp_bucket_cap_mb ddp_find_unused_parameters ddp_static_graph ddp_timeout deepspeed
        ds3_gather_for_generation fsdp fsdp_config fsdp_min_num_params
        fsdp_transformer_layer_cls_to_wrap jit_mode_eval local_rank mp_parameters no_cuda
        parallelism_config ray_scope torchdynamo tpu_metrics_debug tpu_num_cores
        torch_compile torch_compile_backend torch_compile_mode use_mps_device""",
    "Memory: set micro_batch_tokens or activation_checkpointing; the result stays.": """
        activation_checkpointing activation_checkpointing_kwargs activation_offloading
        auto_find_batch_size gradient_checkpointing gradient_checkpointing_kwargs
        liger_kernel_config torch_empty_cache_steps use_cache use_liger_kernel
        pad_to_multiple_of padding_free precompute_ref_batch_size precompute_ref_log_probs""",
    "Precision: float32 unless the recipe sets precision; weights are float32 in any case.": """
        attn_implementation bf16 bf16_full_eval dtype fp16 fp16_backend fp16_full_eval
        fp16_opt_level half_precision_backend tf32""",
    "Evaluation: name held-out data in the recipe (validation, evaluation).": """
        batch_eval_metrics eval_accumulation_steps eval_delay eval_do_concat_batches
        eval_on_start eval_steps eval_strategy eval_use_gather_object greater_is_better
        load_best_model_at_end metric_for_best_model past_index per_device_eval_batch_size
        per_gpu_eval_batch_size prediction_loss_only dataset_test_split test_split_size
        use_legacy_prediction_loop""",
    "Data loading: files are read whole, and their columns are known by name.": """
        dataloader_drop_last dataloader_in_order dataloader_multiprocessing_context
        dataloader_num_workers dataloader_persistent_workers dataloader_pin_memory
        dataloader_prefetch_factor dataset_num_proc dataset_streaming label_names
        length_column_name remove_unused_columns streaming""",
    "Randomness: all of it comes from seed, and runs are deterministic.": """
        data_seed full_determinism""",
    "TRL does not read it either.": """
        debug do_eval do_predict do_train env ignore_bias_buffers""",
    "TRL computes it from the batch sizes.": """
        batch_size local_batch_size local_mini_batch_size micro_batch_size mini_batch_size
        num_total_batches""",
}

IGNORED: dict[str, str] = {
    field: reason for reason, fields in _GROUPS.items() for field in fields.split()
}
"""Field → why nothing is lost without it."""

_ADAPTERS = "Set adapter in the recipe: rank, alpha, dropout, targets."
_QUANTISED = "Quantised models are not trained."
_TOKENIZER = "Save it into the model's folder, whose tokenizer and template are used."

UNSUPPORTED: dict[str, tuple[Any, str]] = {
    "adafactor": (False, "The optimizer is AdamW."),
    "optim_args": (None, "The optimizer is AdamW; see [optimizer] for what can be set."),
    "optim_target_modules": (None, "All weights are trained, or an adapter."),
    "label_smoothing_factor": (0.0, "There is no label smoothing."),
    "neftune_noise_alpha": (None, "There is no embedding noise."),
    "train_sampling_strategy": ("random", "Rows are shuffled; batches are grouped by length."),
    "group_by_length": (False, "Rows are shuffled; batches are grouped by length."),
    "per_gpu_train_batch_size": (None, "Use per_device_train_batch_size."),
    "model_init_kwargs": (None, "Models are loaded as they are."),
    "trust_remote_code": (False, "Code from a model's folder is never run."),
    "chat_template_path": (None, _TOKENIZER),
    "eos_token": (None, _TOKENIZER),
    "pad_token": (None, _TOKENIZER),
    "model_revision": ("main", "Download the revision and name its folder."),
    "model_adapter_name": (None, _ADAPTERS),
    "ref_adapter_name": (None, _ADAPTERS),
    "use_peft": (False, _ADAPTERS),
    "lora_r": (16, _ADAPTERS),
    "lora_alpha": (32, _ADAPTERS),
    "lora_dropout": (0.05, _ADAPTERS),
    "lora_target_modules": (None, _ADAPTERS),
    "lora_target_parameters": (None, _ADAPTERS),
    "lora_modules_to_save": (None, _ADAPTERS),
    "lora_task_type": ("CAUSAL_LM", _ADAPTERS),
    "use_rslora": (False, _ADAPTERS),
    "use_dora": (False, _ADAPTERS),
    "load_in_8bit": (False, _QUANTISED),
    "load_in_4bit": (False, _QUANTISED),
    "bnb_4bit_quant_type": ("nf4", _QUANTISED),
    "use_bnb_nested_quant": (False, _QUANTISED),
    "bnb_4bit_quant_storage": (None, _QUANTISED),
    "dataset_config": (None, "Download that part of the dataset and name the file."),
    "dataset_train_split": ("train", "Download that split and name the file."),
    "datasets": (None, "Join the datasets into one file and name it."),
}
"""Field → (TRL's default, what to do instead)."""

OPTIMIZER_DEFAULTS: dict[str, Any] = {
    "lr_scheduler_type": "linear",
    "lr_scheduler_kwargs": None,
    "warmup_steps": 0,
    "warmup_ratio": None,
    "optim": "adamw_torch_fused",
    "weight_decay": 0.0,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-8,
    "max_grad_norm": 1.0,
}

SHARED_DEFAULTS: dict[str, Any] = OPTIMIZER_DEFAULTS | {
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 1,
    "num_train_epochs": 3.0,
    "max_steps": -1,
    "seed": 42,
    "use_cpu": False,
    "dataset_name": None,
    "model_name_or_path": None,
}

DEFAULTS: dict[str, dict[str, Any]] = {
    "ppo": SHARED_DEFAULTS
    | {
        "learning_rate": 3e-6,
        "num_mini_batches": 1,
        "total_episodes": None,
        "local_rollout_forward_batch_size": 64,
        "response_length": 53,
        "stop_token": None,
        "stop_token_id": None,
        "temperature": 0.7,
        "missing_eos_penalty": None,
        "sft_model_path": "EleutherAI/pythia-160m",
        "reward_model_path": "EleutherAI/pythia-160m",
        "world_size": None,
        "num_ppo_epochs": 4,
        "whiten_rewards": False,
        "kl_coef": 0.05,
        "kl_estimator": "k1",
        "cliprange": 0.2,
        "vf_coef": 0.1,
        "cliprange_value": 0.2,
        "gamma": 1.0,
        "lam": 0.95,
    },
    "reward": SHARED_DEFAULTS
    | {
        "learning_rate": 1e-4,
        "disable_dropout": True,
        "max_length": 1024,
        "center_rewards_coefficient": None,
    },
    "dpo": SHARED_DEFAULTS
    | {
        "learning_rate": 1e-6,
        "router_aux_loss_coef": 0.001,
        "disable_dropout": True,
        "max_length": 1024,
        "truncation_mode": "keep_start",
        "loss_type": ["sigmoid"],
        "loss_weights": None,
        "ld_alpha": None,
        "f_divergence_type": "reverse_kl",
        "f_alpha_divergence_coef": 0.5,
        "label_smoothing": 0.0,
        "beta": 0.1,
        "use_weighting": False,
        "discopop_tau": 0.05,
        "sync_ref_model": False,
        "ref_model_mixup_alpha": 0.6,
        "ref_model_sync_steps": 512,
    },
}
"""Kind of configuration → field that is translated → TRL's default."""

_OWN: dict[str, str] = {
    "ppo": """batch_size ds3_gather_for_generation local_batch_size local_mini_batch_size
        micro_batch_size mini_batch_size model_adapter_name num_sample_generations
        num_total_batches ref_adapter_name""",
    "reward": """activation_offloading chat_template_path eos_token model_init_kwargs pad_token
        pad_to_multiple_of""",
    "dpo": """activation_offloading model_init_kwargs pad_token pad_to_multiple_of padding_free
        precompute_ref_batch_size precompute_ref_log_probs""",
}

FOREIGN: dict[str, frozenset[str]] = {
    kind: frozenset(" ".join(_OWN.values()).split()) - frozenset(own.split())
    for kind, own in _OWN.items()
}
"""Kind of configuration → untranslated fields that only other kinds have."""
