"""What PEFT calls an adapter's two files, as every trainer does that writes its format."""

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
