"""A training run's spectra while it trains; needs transformers alone. No analysis imports it."""
