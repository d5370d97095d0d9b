"""Training adapters; needs the extra ``train``. Makes checkpoint folders; no analysis imports it."""
